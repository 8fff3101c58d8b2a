"""Forgetting, by a process of its own: while a run lives, and killed at any moment."""

import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from living import NOW, line, living, rounded, settings, tallybook

from extract.forgotten import Forgotten, recipient_key
from simulator import Spec, serve
from tallybook.forget import requests
from tallybook.heart import Step, last_beat
from tallybook.traces import Search, files_naming
from tests.parsed import plant

PROOF = "TALLYBOOK_PROOF" in os.environ

LIVES, KILLS = (5, 8) if PROOF else (1, 2)
"""State folders, and kills in each."""

PHASES: dict[Step, float] = {"forget": 1.5, "publish": 0.5, "build": 4.0}
"""What to kill in, and about how long it lasts in seconds."""

SPEC = Spec(seed=11, days=2, accounts=1, emails=4, recipients_per_email=20)

VOLATILE = {"rebuilt_at", "checked_at", "as_of"}

Cells = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True)
class Before:
    """A state folder after a run, with a list on which there is nobody."""

    home: Path
    env: dict[str, str]
    address: str

    def copy(self, home: Path) -> dict[str, str]:
        """Another one like it; the environment for it."""
        shutil.copytree(self.home, home, symlinks=True)
        return {**self.env, "TALLYBOOK_HOME": str(plant(home))}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    app, home = tmp_path_factory.mktemp("app"), tmp_path_factory.mktemp("before")
    with serve(SPEC, app_folder=app) as host:
        env = settings(host, home, app, TALLYBOOK_NOW=NOW)
        ran = tallybook(env, "run")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        # So that all copies have the same tokens.
        Forgotten().write(home)
        with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
            [(address,)] = con.execute(
                "select recipient_key from marts.fct_message_events"
                " group by 1 order by count(*) desc, 1 limit 1"
            ).fetchall()
        yield Before(home, env, address)


def cells(home: Path) -> Cells:
    """All that a state folder's marts say, but for when it was told."""
    found: Cells = {}
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        tables = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
        for (table,) in tables:
            columns = [
                name
                for name, *_ in con.execute(f"describe marts.{table}").fetchall()
                if name not in VOLATILE
            ]
            rows = con.execute(
                f"select {', '.join(columns)} from marts.{table} order by all"  # noqa: S608 - its own names
            ).fetchall()
            found[table] = [tuple(map(rounded, row)) for row in rows]
    return found


def where_named(home: Path, address: str) -> list[str]:
    """Files and tables that name someone."""
    who, key = Forgotten.of(home).and_([address]), recipient_key(address)
    found = [str(path) for path in files_naming(home, who, [key])]
    for name in ("warehouse.duckdb", "published/analytics.duckdb"):
        with duckdb.connect() as con:
            con.execute(f"attach '{home / name}' as searched (read_only)")
            search = Search(con, "searched", who, (key,))
            found += [t.path for t in search.tables() if search.names_someone(t)]
    return found


@pytest.fixture(scope="module")
def unharmed(before: Before, tmp_path_factory: pytest.TempPathFactory) -> Cells:
    home = tmp_path_factory.mktemp("unharmed") / "home"
    done = tallybook(before.copy(home), "forget", before.address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "forgotten, and found nowhere" in done.stdout
    return cells(home)


@pytest.mark.proof
@pytest.mark.parametrize("life", range(LIVES))
def test_forgetting_that_is_killed_again_and_again_is_carried_out_all_the_same(
    before: Before, unharmed: Cells, tmp_path: Path, life: int
) -> None:
    home, chance = tmp_path / "home", random.Random(life)  # noqa: S311
    env = before.copy(home)
    assert len(where_named(home, before.address)) > 2
    phases = [*PHASES] * KILLS
    for kill in range(KILLS):
        kill_once(env, home, before.address, phases[kill + life], chance)

    last = tallybook(env, "forget", before.address)

    assert last.returncode == 0, last.stdout + last.stderr
    assert "forgotten, and found nowhere" in last.stdout
    assert requests(home) == []
    assert where_named(home, before.address) == []
    assert cells(home) == unharmed


def kill_once(
    env: dict[str, str], home: Path, address: str, phase: Step, chance: random.Random
) -> None:
    """Lets a process forget up to a phase, and kills it within."""
    with living(env, "forget", address) as process:
        until = time.monotonic() + 120
        while True:
            beat = last_beat(home, process.pid)
            if beat and beat.step == phase:
                break
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        time.sleep(chance.uniform(0, PHASES[phase]))
        process.kill()


def test_while_a_run_lives_its_next_tick_forgets(
    before: Before, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    env = before.copy(home)
    with living(env, "run", "--every", "2s") as process:
        line(process, "tick")
        looked = tallybook(env, "forget", before.address, "--dry-run")
        asked = tallybook(env, "forget", before.address)

        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert "to be erased" in looked.stdout
        assert asked.returncode == 0, asked.stdout + asked.stderr
        assert "the next tick of the run at work carries it out" in asked.stdout
        assert (home / "requests" / "forget").exists()
        assert line(process, "forgot")["tokens"].endswith("@forgotten.invalid")
        line(process, "tick")
        process.terminate()
        assert process.wait() == 0

    assert requests(home) == []
    assert where_named(home, before.address) == []
