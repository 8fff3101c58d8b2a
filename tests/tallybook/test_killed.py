"""Killed at any moment, a run ends where one ends that never was.

A living process is killed with SIGKILL while it extracts and loads, builds, or
publishes; again and again; what it leaves behind goes on from there. All the while
another process opens the published file.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import duckdb
import pytest
from living import SPEC, living, rounded, settings, tallybook

from simulator import Simulator, serve
from tallybook.heart import Step, last_beat

PROOF = "TALLYBOOK_PROOF" in os.environ

LIVES, KILLS = (10, 10) if PROOF else (1, 3)
"""State folders, and kills in each."""

PHASES: dict[Step, float] = {"extract": 1.5, "build": 5.0, "publish": 0.4}
"""What to kill in, and about how long it lasts in seconds."""

BUDGET = "400"
"""Events of a tick: so that many ticks have something to do."""

VOLATILE = {
    *("received_at", "loaded_at", "rebuilt_at", "checked_at", "as_of"),
    *("request_id", "_dlt_load_id", "lane", "position"),
}
"""Columns that say when and how something came, not what."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    app = tmp_path_factory.mktemp("app")
    with serve(SPEC, app_folder=app) as running:
        yield running, app


TOLD = {"ops_lanes", "ops_freshness"}
"""Marts that tell when we read, not what."""

Cells = dict[str, list[tuple[object, ...]]]


def cells(home: Path) -> Cells:
    """All that a state folder's warehouse says, but for when it was told."""
    found: Cells = {}
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        columns: dict[str, list[str]] = {}
        for schema, table, column in con.execute(
            "select schema_name, table_name, column_name from duckdb_columns()"
            " where schema_name = 'marts' or (schema_name = 'raw' and table_name in"
            " ('mailgun_events', 'dead_letters') or table_name like 'app_%')"
            " order by all"
        ).fetchall():
            if column not in VOLATILE and table not in TOLD:
                columns.setdefault(f"{schema}.{table}", []).append(f'"{column}"')
        for table, names in columns.items():
            rows = con.execute(
                f"select {', '.join(names)} from {table} order by all"  # noqa: S608 - its own names
            ).fetchall()
            found[table] = [tuple(map(rounded, row)) for row in rows]
        [(open_accounts,)] = con.execute(
            "select count(*) from raw.requests where events <> loaded + repeated + dead"
        ).fetchall()
        assert open_accounts == 0
    return found


def settle(env: dict[str, str], home: Path) -> Cells:
    """Runs until another run reads no further, and tells the end state."""
    before = None
    for _ in range(40):
        ran = tallybook(env, "run")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
            lanes = con.execute(
                "select domain, lane, cursor, last_outcome = 'ok'"
                " from marts.ops_lanes order by all"
            ).fetchall()
        if lanes == before and all(is_well for *_, is_well in lanes):
            return cells(home)
        before = lanes
    raise AssertionError("it never settles")


@pytest.fixture(scope="module")
def unharmed(
    host: tuple[Simulator, Path], tmp_path_factory: pytest.TempPathFactory
) -> Cells:
    home = tmp_path_factory.mktemp("unharmed")
    return settle(settings(host[0], home, host[1]), home)


READER = """
import sys, time, pathlib, duckdb
path, opened = pathlib.Path(sys.argv[1]), 0
while True:
    if path.exists():
        with duckdb.connect(path, read_only=True) as con:
            con.execute("select count(*) from marts.fct_message_events").fetchall()
        opened += 1
        print(opened, flush=True)
    time.sleep(0.02)
"""


@dataclass
class Watch:
    """Another process that opens the published file again and again."""

    process: "Popen[str]"

    def end(self) -> int:
        """Ends it; how often it could open the file."""
        assert self.process.poll() is None, "the published file could not be opened"
        self.process.kill()
        told, _ = self.process.communicate()
        return len(told.splitlines())


@pytest.mark.proof
@pytest.mark.parametrize("life", range(LIVES))
def test_run_that_is_killed_again_and_again_ends_like_one_that_never_was(
    host: tuple[Simulator, Path], unharmed: Cells, tmp_path: Path, life: int
) -> None:
    home, chance = tmp_path / "home", random.Random(life)  # noqa: S311
    home.mkdir()
    env = settings(host[0], home, host[1], SOURCES__MAILGUN__MAX_EVENTS=BUDGET)
    published = home / "published" / "analytics.duckdb"
    watch = Watch(
        Popen([sys.executable, "-c", READER, published], stdout=PIPE, text=True)
    )
    phases = [*PHASES] * KILLS
    for kill in range(KILLS):
        kill_once(env, home, phases[kill + life], chance)
    last = settle(settings(host[0], home, host[1]), home)

    assert watch.end() > 10
    assert last.keys() == unharmed.keys()
    for table, rows in unharmed.items():
        assert last[table] == rows, table


def kill_once(
    env: dict[str, str], home: Path, phase: Step, chance: random.Random
) -> None:
    """Lets a run come to a phase, and kills it within."""
    with living(env, "run", "--every", "1s") as process:
        until = time.monotonic() + 120
        while True:
            beat = last_beat(home, process.pid)
            if beat and beat.step == phase:
                break
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        time.sleep(chance.uniform(0, PHASES[phase]))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
