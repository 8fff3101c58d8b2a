"""A run that never stops: what it does when things go wrong, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from living import SPEC, line, living, settings, tallybook

from extract.pipeline import Outcome
from simulator import Simulator, serve
from tallybook import loop as module
from tallybook import status
from tallybook.cli import _in_words, _seconds
from tallybook.errors import CannotRunError
from tallybook.heart import last_beat
from tallybook.log_lines import LogLines
from tallybook.loop import Ending, patience, run_for_ever
from tallybook.run import Run


class Ticks:
    """A run that fails as told, and ends after so many ticks."""

    def __init__(self, ending: Ending, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.lines: list[str] = []
        self._ending = ending

    def run(self, *_: object, **__: object) -> Run:
        error = self.errors.pop(0)
        if not self.errors:
            self._ending._asked.set()
        if error:
            raise error
        return Run((Outcome("mailgun", "a.example", "latest"),), None, None)


@pytest.fixture
def run_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Lets ticks end like this; returns what was said."""

    def run_ticks(*errors: Exception | None) -> list[str]:
        ending = Ending()
        ticks = Ticks(ending, *errors)
        monkeypatch.setattr(module, "run", ticks.run)
        monkeypatch.setattr(status, "note", lambda _: None)
        monkeypatch.setattr(ending, "wait", lambda _: None)
        run_for_ever(tmp_path, 60.0, LogLines(ticks.lines.append), ending, _in_words)
        return ticks.lines

    return run_ticks


def test_what_goes_wrong_in_a_tick_is_said_and_tried_again(
    run_ticks: Callable[..., list[str]], tmp_path: Path
) -> None:
    lines = run_ticks(
        CannotRunError("The disk is full.", "Make room."),
        OSError(30, "Read-only file system", "/data/x"),
        duckdb.IOException("no space"),
        None,
    )

    said = [text.partition(" ")[2] for text in lines]
    assert said == [
        'error message="The disk is full." advice="Make room." next_tick_in=60',
        'error message="Read-only file system at /data/x." advice="Make room on the '
        'disk, or the folder writable, and run it again." next_tick_in=120',
        'error message="no space" next_tick_in=240',
        said[3],
    ]
    assert said[3].startswith("tick seconds=")
    beat = last_beat(tmp_path, os.getpid())
    assert beat is not None
    assert (beat.tick, beat.failures, beat.failing_since) == (5, 0, None)


def test_what_stopped_the_last_tick_is_left_for_status(
    run_ticks: Callable[..., list[str]], tmp_path: Path
) -> None:
    run_ticks(CannotRunError("The disk is full."))

    assert b"The disk is full" in (tmp_path / "last_problem.json").read_bytes()
    beat = last_beat(tmp_path, os.getpid())
    assert beat is not None
    assert (beat.step, beat.failures) == ("wait", 1)
    assert beat.next_at is not None


def test_a_mistake_of_ours_is_not_hidden(
    run_ticks: Callable[..., list[str]],
) -> None:
    with pytest.raises(ZeroDivisionError):
        run_ticks(ZeroDivisionError())


def test_ticks_that_fail_come_less_often_but_never_stop() -> None:
    assert [patience(60, n) for n in (1, 2, 3, 5, 50)] == [60, 120, 240, 900, 900]
    assert patience(3_600, 9) == 3_600


def test_a_time_is_written_as_people_write_it() -> None:
    assert [_seconds(text) for text in ("60s", "5m", "1h")] == [60, 300, 3600]


@pytest.mark.parametrize("text", ["", "s", "0s", "-5s", "1d", "1.5h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    import typer

    with pytest.raises(typer.BadParameter, match="write one like 60s"):
        _seconds(text)


def test_a_number_without_a_unit_is_refused_with_the_units_there_are() -> None:
    import typer

    with pytest.raises(typer.BadParameter, match="90 has no unit: write 90s, 90m or"):
        _seconds("90")


def test_first_signal_asks_and_the_second_ends_at_once() -> None:
    ending = Ending()
    asked = threading.Event()

    def work() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        ending.wait(10)
        asked.set()
        return "finished"

    assert ending.by_signal(work) == "finished"
    assert ending.is_asked()

    def stubborn() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(2)

    with pytest.raises(KeyboardInterrupt):
        ending.by_signal(stubborn)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_the_work_raises_is_raised_where_it_was_asked_for() -> None:
    def work() -> None:
        raise CannotRunError("no")

    with pytest.raises(CannotRunError):
        Ending().by_signal(work)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    app = tmp_path_factory.mktemp("app")
    with serve(SPEC, app_folder=app) as running:
        yield running, app


def test_a_living_run_ticks_reads_what_is_asked_for_and_ends_when_told(
    host: tuple[Simulator, Path], tmp_path: Path
) -> None:
    env = settings(host[0], tmp_path, host[1], SOURCES__MAILGUN__MAX_EVENTS="700")
    with living(env, "run", "--every", "1s") as process:
        first = line(process, "lane")
        built = line(process, "build")
        line(process, "published")
        tick = line(process, "tick")
        refused = tallybook(env, "extract")
        asked = tallybook(
            env, "backfill", "schedule", "mailgun", "--since", SPEC.begin.isoformat()
        )
        while (lane := line(process, "lane"))["lane"] != "scheduled":
            pass
        second = tallybook(
            env, "backfill", "schedule", "mailgun", "--since", "2026-03-02T00:00:00Z"
        )
        shown = json.loads(tallybook(env, "status", "--json").stdout)
        tallybook(env, "backfill", "cancel", "mailgun")
        line(process, "tick")  # the one that is at work
        line(process, "tick")
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        ended = process.wait(60)
        took = time.monotonic() - told

    assert first["outcome"] == "cut_short"
    assert (first["source"], first["lane"], first["new"]) == (
        "mailgun",
        "latest",
        "900",
    )
    assert first["begin"] == "2026-03-01T00:00:00Z"
    assert (built["failed"], built["errors"], tick["exit_status"]) == ("0", "0", "0")
    assert refused.returncode == 2
    assert f"`tallybook run --every 1s`, process {process.pid}" in refused.stderr
    assert asked.returncode == 0
    assert lane["begin"] == "2026-03-01T00:00:00Z"
    assert (second.returncode, "runs already" in second.stderr) == (2, True)
    assert shown["status"]["running"]["pid"] == process.pid
    assert shown["status"]["backfills"][0]["state"] == "running"
    assert {one["lane"] for one in shown["status"]["lanes"]} >= {"latest", "missing"}
    assert ended == 0
    assert took < 30
    done = tallybook(env, "backfill", "status", "mailgun")
    assert "was cancelled" in done.stdout
    with duckdb.connect(tmp_path / "published" / "analytics.duckdb") as con:
        rows = con.execute("select lane, last_outcome from marts.ops_lanes").fetchall()
    assert ("scheduled", "cancelled") in rows or ("scheduled", "cut_short") in rows


COUNTING = """
import gc
from pathlib import Path
from tallybook.log_lines import LogLines
from tallybook.loop import Ending, run_for_ever

counts, ending = [], Ending()

class Counting(LogLines):
    def building(self, done, nodes):
        # Once a tick: what is left of all the ticks before.
        if not done:
            counts.append(len(gc.get_objects()))
            ending.is_asked = lambda: len(counts) == TICKS + 1
    def failed(self, error, wait):
        raise error

run_for_ever(Path(HOME), 0.01, Counting(print), ending, RuntimeError)
print(*counts)
"""


def test_a_living_run_keeps_nothing_of_its_ticks(
    host: tuple[Simulator, Path], tmp_path: Path
) -> None:
    """It lives for years: some thousand objects a tick would be gigabytes."""
    ran = subprocess.run(
        [sys.executable, "-c", f"HOME, TICKS = {str(tmp_path)!r}, 6\n{COUNTING}"],
        env=settings(host[0], tmp_path, host[1]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    counts = [int(count) for count in ran.stdout.splitlines()[-1].split()]
    assert max(counts[-3:]) - counts[-4] < 100, counts
