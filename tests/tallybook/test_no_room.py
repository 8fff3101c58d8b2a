"""A disk that is full, a folder that can't be written: said, and nothing is spoilt."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from living import SCRIPT, SPEC, settings, tallybook

from simulator import Simulator, serve


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    app = tmp_path_factory.mktemp("app")
    with serve(SPEC, app_folder=app) as running:
        yield running, app


@pytest.fixture(scope="module")
def begun(
    host: tuple[Simulator, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A state folder with a first part of the events, built and published."""
    home = tmp_path_factory.mktemp("begun")
    env = settings(host[0], home, host[1], SOURCES__MAILGUN__MAX_EVENTS="300")
    assert tallybook(env, "run").returncode == 0
    return home


@pytest.fixture
def copied(begun: Path, tmp_path: Path) -> Path:
    """A copy of it for a test."""
    return Path(shutil.copytree(begun, tmp_path / "home", symlinks=True))


def limited_to(size: int) -> Callable[[], None]:
    """Lets no file of a process grow beyond so many bytes, as a full disk would."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def events(home: Path) -> int:
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        [(count,)] = con.execute("select count(*) from raw.mailgun_events").fetchall()
        [(distinct,)] = con.execute(
            "select count(distinct event_key) from raw.mailgun_events"
        ).fetchall()
    assert count == distinct
    return int(count)


def shown(home: Path) -> int:
    with duckdb.connect(home / "published" / "analytics.duckdb", read_only=True) as con:
        [(count,)] = con.execute(
            "select count(*) from marts.fct_message_events"
        ).fetchall()
    return int(count)


@pytest.mark.parametrize(
    "size",
    [4_096, 5_000_000],
    ids=["nothing can be written", "what was loaded can't be built"],
)
def test_full_disk_is_said_and_once_there_is_room_nothing_is_missing(
    host: tuple[Simulator, Path], copied: Path, size: int
) -> None:
    env = settings(host[0], copied, host[1])
    before, published = events(copied), shown(copied)

    ran = subprocess.run(
        [SCRIPT, "run"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited_to(size),
    )

    assert ran.returncode == 2, ran.stdout
    assert "Traceback" not in ran.stderr + ran.stdout
    said = (ran.stderr + ran.stdout).lower()
    assert "file too large" in said or "could not write file" in said
    assert events(copied) >= before
    assert shown(copied) == published
    again = tallybook(env, "run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert shown(copied) == events(copied) > before


def test_state_folder_that_cannot_be_written_is_said_and_left_as_it_was(
    host: tuple[Simulator, Path], copied: Path
) -> None:
    env = settings(host[0], copied, host[1])
    before, published = events(copied), shown(copied)
    if os.geteuid() == 0:
        # Root writes where it may not; only a file system that is mounted so stops it.
        mounted = subprocess.run(
            ["mount", "--bind", "-o", "ro", copied, copied],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("root can't be kept from writing: no mounts here")
    else:
        for path in (copied, *copied.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        ran = tallybook(env, "run")
        asked = tallybook(
            env, "backfill", "schedule", "mailgun", "--since", SPEC.begin.isoformat()
        )
        assert shown(copied) == published
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", copied], check=True)
        else:
            for path in (copied, *copied.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)

    for answer in (ran, asked):
        assert answer.returncode == 2
        assert "Traceback" not in answer.stderr
        assert str(copied) in answer.stderr
    assert events(copied) == before
