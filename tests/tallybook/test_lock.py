"""One run at a time on a machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallybook.errors import CannotRunError
from tallybook.lock import RunningError, between_ticks, only_run

HOLD = """
import sys
from pathlib import Path
from tallybook.lock import only_run
with only_run(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    sys.stdin.read()
"""

TICKS = """
import sys
import time
from pathlib import Path
from tallybook.lock import only_run, turn
home = Path(sys.argv[1])
with only_run(home, "run --every 1s"):
    for tick in range(50):
        with turn(home, lambda: False):
            (home / "ticks").write_text(f"{tick}")
            print("began", flush=True)
            time.sleep(0.1)
"""


@contextmanager
def held_by_another(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    with held_by_another(tmp_path) as other:
        with pytest.raises(RunningError) as refused, only_run(tmp_path, "build", 0.1):
            pass
        assert f"`tallybook run`, process {other.pid}, since" in refused.value.problem
        assert refused.value.holder is not None
        assert refused.value.holder.doing == "run"


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    with held_by_another(tmp_path) as other:
        other.kill()
        other.wait()
        with only_run(tmp_path, "build", 0.1):
            assert str(os.getpid()) in (tmp_path / "run.lock").read_text()


def test_a_run_that_ended_lets_the_next_one_in(tmp_path: Path) -> None:
    with only_run(tmp_path, "run"):
        pass
    with only_run(tmp_path, "run", 0):
        assert (tmp_path / "run.lock").exists()


def test_a_state_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CannotRunError, match="can't be written"),
        only_run(tmp_path / "file" / "home", "run"),
    ):
        pass


def test_whoever_waits_for_a_turn_has_it_though_tick_follows_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallybook.lock.only_run.__wrapped__.__defaults__", (0.1,))
    with subprocess.Popen(
        [sys.executable, "-c", TICKS, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"began\n"
        with between_ticks(tmp_path, "check"):
            ticks = int((tmp_path / "ticks").read_text())
        process.kill()

    assert ticks < 49, "it had to wait until the run was over"
