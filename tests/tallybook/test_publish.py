"""What analysts open: always whole, always one state of the warehouse."""

import datetime
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import handmade
import pytest
from handmade import MARTS, Contents, Row, Warehouse, event, shown
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.errors import CannotRunError
from tallybook.marts import Mart
from tallybook.publish import publish
from tallybook.shelf import NAME

HERE = Path(__file__).parent
PROOF = bool(os.environ.get("TALLYBOOK_PROOF"))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """Three events and a day, built once."""
    warehouse = Warehouse(tmp_path)
    day = ("a", datetime.date(2026, 3, 1))
    warehouse.build(
        {
            "fct_events": dict(event(key, key, "delivered") for key in range(3)),
            "fct_days": {day: (*day, 3)},
        },
        whole=frozenset({"fct_events", "fct_days"}),
        note="first",
    )
    return warehouse


@contextmanager
def reader(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A session in another process that has the file open."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "reader.py"), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()


def seen_by(process: subprocess.Popen[str]) -> tuple[int, Contents]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("look\n")
    process.stdin.flush()
    answer = bytes.fromhex(process.stdout.readline())
    return pickle.loads(answer)  # noqa: S301 - from our own script


def modes(home: Path) -> dict[str, str]:
    return {table.name: table.mode for table in publish(home, MARTS).tables}


def backing_files(home: Path) -> list[Path]:
    return sorted((home / "published").glob(".analytics-*.duckdb"))


def test_a_published_file_shows_the_marts_of_the_warehouse(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publication = publish(tmp_path, MARTS)

    assert shown(publication.path) == (1, warehouse.contents())
    assert publication.path == tmp_path / "published" / "analytics.duckdb"
    assert publication.rows_written == 5


def test_only_changed_rows_are_written_from_the_second_time_on(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(tmp_path, MARTS)
    warehouse.build({"fct_events": dict([event(1, 1, "opened")])}, note="second")

    publication = publish(tmp_path, MARTS)

    assert {table.name: (table.mode, table.rows) for table in publication.tables} == {
        "fct_events": ("changes", 1),
        "fct_days": ("changes", 0),
        "ops_lanes": ("whole", 1),
    }
    assert shown(publication.path) == (2, warehouse.contents())


def test_a_row_that_went_and_a_row_that_moved_in_time_are_not_shown_twice(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(tmp_path, MARTS)
    warehouse.build(
        {"fct_events": {("event-0",): None, **dict([event(1, 999, "delivered")])}}
    )
    warehouse.build({"fct_events": dict([event(1, 5, "delivered")])})

    path = publish(tmp_path, MARTS).path

    assert shown(path) == (3, warehouse.contents())


def test_a_key_with_a_null_in_it_is_followed(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    day: Row = (None, datetime.date(2026, 3, 1))
    warehouse.build({"fct_days": {day: (*day, 1)}})
    publish(tmp_path, MARTS)
    warehouse.build({"fct_days": {day: (*day, 2)}})

    assert modes(tmp_path)["fct_days"] == "changes"
    assert shown(tmp_path / "published" / NAME) == (3, warehouse.contents())


def test_a_mart_that_was_rebuilt_is_copied_whole(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(tmp_path, MARTS)
    warehouse.build(
        {"fct_events": dict([event(9, 9, None)])}, whole=frozenset({"fct_events"})
    )

    assert modes(tmp_path) == {
        "fct_events": "whole",
        "fct_days": "changes",
        "ops_lanes": "whole",
    }
    assert shown(tmp_path / "published" / NAME) == (2, warehouse.contents())


def test_a_mart_with_a_new_column_is_copied_whole(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(tmp_path, MARTS)
    with duckdb.connect(warehouse.path) as con:
        con.execute("alter table marts.fct_events add column url varchar default 'x'")

    assert modes(tmp_path)["fct_events"] == "whole"
    _, tables = shown(tmp_path / "published" / NAME)
    assert {len(row) for row in tables["fct_events"]} == {4}


@pytest.mark.usefixtures("warehouse")
def test_a_mart_that_is_gone_from_the_project_is_gone_from_the_file(
    tmp_path: Path,
) -> None:
    publish(tmp_path, MARTS)

    publication = publish(tmp_path, MARTS[:2])

    assert publication.tables[0].mode == "dropped"
    assert set(shown(publication.path)[1]) == {"fct_events", "fct_days"}


def test_a_view_over_marts_is_a_view_in_the_file_too(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with duckdb.connect(warehouse.path) as con:
        con.execute(
            "create view marts.fct_opened as"
            " select event_key from warehouse.marts.fct_events where kind = 'opened'"
        )
    opened = Mart("fct_opened", False, "Opened ones.", {"event_key": "Its key."})
    publish(tmp_path, (opened, *MARTS))
    warehouse.build({"fct_events": dict([event(1, 1, "opened")])})

    path = publish(tmp_path, (opened, *MARTS)).path

    with duckdb.connect(path, read_only=True) as con:
        assert con.execute("from marts.fct_opened").fetchall() == [("event-1",)]
        assert con.execute(
            "select comment from duckdb_views() where not internal"
            " union all select comment from duckdb_columns()"
            " where table_name = 'fct_opened'"
        ).fetchall() == [("Opened ones.",), ("Its key.",)]


def test_a_view_over_more_than_marts_is_copied_and_may_become_a_table(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    of_ledger = Mart("ops_builds", False, "", {})
    with duckdb.connect(warehouse.path) as con:
        con.execute("create view marts.ops_builds as select 1 as one")
    publish(tmp_path, (of_ledger, *MARTS))
    publish(tmp_path, (of_ledger, *MARTS))
    with duckdb.connect(warehouse.path) as con:
        con.execute(
            "create or replace view marts.ops_builds as"
            " select count(*) as builds from warehouse.ledger.builds"
        )

    publication = publish(tmp_path, (of_ledger, *MARTS))

    assert {t.name: t.mode for t in publication.tables}["ops_builds"] == "whole"
    assert shown(publication.path)[1]["ops_builds"] == [(2,)]


@pytest.mark.usefixtures("warehouse")
def test_a_mart_that_was_never_built_is_left_out(
    tmp_path: Path,
) -> None:
    unbuilt = replace(MARTS[0], name="fct_not_yet")

    path = publish(tmp_path, (*MARTS, unbuilt)).path

    assert set(shown(path)[1]) == {"fct_events", "fct_days", "ops_lanes"}


def test_a_file_older_than_the_ledgers_memory_is_made_anew(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(tmp_path, MARTS)
    warehouse.build({"fct_events": dict([event(5, 5, "opened")])})
    warehouse.build({"fct_events": dict([event(6, 6, "opened")])})
    with duckdb.connect(warehouse.path) as con:
        con.execute("delete from ledger.fct_events__changes where change_number <= 2")
        con.execute("insert into ledger.trimmed values (2)")

    assert modes(tmp_path)["fct_events"] == "whole"
    assert shown(tmp_path / "published" / NAME) == (3, warehouse.contents())


def test_another_warehouse_in_the_same_place_is_not_mistaken_for_the_old_one(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    shutil.copy(warehouse.path, tmp_path / "copy")
    warehouse.build({"fct_events": dict([event(5, 5, "lost with the disk")])})
    publish(tmp_path, MARTS)
    shutil.move(tmp_path / "copy", warehouse.path)
    with duckdb.connect(warehouse.path) as con:
        con.execute(
            "insert into ledger.builds values (2, 'x', 'touched', '', 'other', now())"
        )

    path = publish(tmp_path, MARTS).path

    assert len(shown(path)[1]["fct_events"]) == 3


@pytest.mark.usefixtures("warehouse")
def test_descriptions_stand_beside_tables_and_columns(
    tmp_path: Path,
) -> None:
    def comments() -> dict[str, str | None]:
        with duckdb.connect(publish(tmp_path, marts).path, read_only=True) as con:
            return dict(
                con.execute(
                    "select table_name, comment from duckdb_tables()"
                    " union all select column_name, comment from duckdb_columns()"
                    " where schema_name = 'marts'"
                ).fetchall()
            )

    marts = MARTS
    first = comments()
    assert first["fct_events"] == "One row for each event."
    assert first["kind"] == "What happened."
    assert first["note"] == "It's here."
    assert first["account_id"] is None
    assert first["publication"] is not None
    comments()

    marts = (replace(MARTS[0], description="Events.", columns={}), *MARTS[1:])
    second = comments()
    assert second["fct_events"] == "Events."
    assert second["kind"] is None


def test_a_reader_keeps_what_it_opened_and_stops_no_publication(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    shows = publish(tmp_path, MARTS).path
    with reader(shows) as first, reader(shows) as second:
        then = seen_by(first)
        for number in range(2, 6):
            warehouse.build({"fct_events": dict([event(number, 1, str(number))])})
            publish(tmp_path, MARTS)
            assert shown(shows) == (number, warehouse.contents())
        assert seen_by(first) == then
        assert seen_by(second) == then


@pytest.mark.usefixtures("warehouse")
def test_files_that_nobody_needs_are_removed(
    tmp_path: Path,
) -> None:
    shows = publish(tmp_path, MARTS).path
    with reader(shows):
        publish(tmp_path, MARTS)
        with reader(shows):
            publish(tmp_path, MARTS)
            publish(tmp_path, MARTS)
            assert len(backing_files(tmp_path)) == 4
    publish(tmp_path, MARTS)
    assert len(backing_files(tmp_path)) == 2


def test_nobody_can_write_to_the_published_file_by_its_name(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    path = publish(tmp_path, MARTS).path

    with duckdb.connect(path) as con:
        assert con.execute("select count(*) from marts.fct_events").fetchall() == [(3,)]
        with pytest.raises(duckdb.Error, match="commit"):
            con.execute("delete from marts.fct_events")

    assert shown(path) == (1, warehouse.contents())


def test_a_log_that_somebody_left_beside_the_file_is_never_replayed(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    path = publish(tmp_path, MARTS).path
    log = path.with_name(f"{NAME}.wal")
    log.unlink()
    write_and_die = (
        "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]);"
        "con.execute(\"insert into marts.ops_lanes values ('mine')\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", write_and_die, str(path)], check=False)
    assert log.exists()

    publish(tmp_path, MARTS)

    assert shown(path) == (1, warehouse.contents())


@pytest.mark.parametrize("tamper", ["through the name", "behind our back"])
def test_a_file_that_somebody_changed_is_thrown_away(
    warehouse: Warehouse, tmp_path: Path, tamper: str
) -> None:
    shows = publish(tmp_path, MARTS).path
    (backing,) = (path for path in backing_files(tmp_path) if path.samefile(shows))
    (tmp_path / "published" / f"{NAME}.wal").unlink()
    with duckdb.connect(shows if tamper == "through the name" else backing) as con:
        con.execute("delete from marts.fct_events")

    for number in (2, 3):
        warehouse.build({"fct_events": dict([event(number, 5, "opened")])})
        publish(tmp_path, MARTS)
        assert shown(shows) == (number, warehouse.contents())


def test_without_hard_links_the_file_is_copied(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refused)
    publish(tmp_path, MARTS)
    warehouse.build({"fct_events": dict([event(5, 5, "opened")])})

    assert modes(tmp_path)["fct_events"] == "changes"
    assert shown(tmp_path / "published" / NAME) == (2, warehouse.contents())


def test_no_warehouse_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="no warehouse yet"):
        publish(tmp_path, MARTS)


def test_a_warehouse_that_is_being_written_is_said_in_words(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    hold = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1]);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(warehouse.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(CannotRunError, match="open for writing"):
            publish(tmp_path, MARTS)
        assert holder.stdin is not None
        holder.stdin.close()


keys = st.integers(0, 12)
edits = st.fixed_dictionaries(
    {
        "events": st.dictionaries(
            keys,
            st.none() | st.tuples(st.integers(0, 5), st.none() | st.text("ab")),
            max_size=6,
        ),
        "days": st.dictionaries(
            st.tuples(st.sampled_from(["a", "b", None]), st.integers(1, 4)),
            st.none() | st.integers(0, 3),
            max_size=6,
        ),
        "whole": st.frozensets(st.sampled_from(["fct_events", "fct_days"]), max_size=1),
        "note": st.text("xy", max_size=2),
        "then": st.sampled_from(["build on", "publish", "publish", "open", "close"]),
    }
)


@settings(max_examples=200 if PROOF else 12, deadline=None)
@given(st.lists(edits, min_size=2, max_size=8))
def test_whatever_was_built_and_whoever_reads_a_file_shows_one_state_of_the_warehouse(
    steps: list[dict[str, object]],
) -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        warehouse = Warehouse(home)
        was: dict[int, Contents] = {}
        sessions: deque[tuple[ExitStack, subprocess.Popen[str], int]] = deque()
        try:
            for step in steps:
                apply(warehouse, step)
                was[warehouse.number] = warehouse.contents()
                if step["then"] == "build on":
                    continue
                path = publish(home, MARTS).path
                assert shown(path) == (warehouse.number, warehouse.contents())
                if step["then"] == "open" and len(sessions) < 3:
                    session = ExitStack()
                    process = session.enter_context(reader(path))
                    sessions.append((session, process, warehouse.number))
                elif step["then"] == "close" and sessions:
                    sessions.popleft()[0].close()
                for _, process, opened_at in sessions:
                    assert seen_by(process) == (opened_at, was[opened_at])
        finally:
            for session, _, _ in sessions:
                session.close()


def apply(warehouse: Warehouse, step: dict[str, object]) -> None:
    events: dict[Row, Row | None] = {}
    days: dict[Row, Row | None] = {}
    for key, value in step["events"].items():
        events[(f"event-{key}",)] = value and event(key, *value)[1]
    for (account, day), count in step["days"].items():
        grain = (account, datetime.date(2026, 3, day))
        days[grain] = None if count is None else (*grain, count)
    warehouse.build(
        {"fct_events": events, "fct_days": days}, step["whole"], step["note"]
    )


@pytest.mark.proof
def test_killed_at_any_moment_the_file_can_be_opened_and_the_next_run_is_right(
    tmp_path: Path,
) -> None:
    expected = contents_after_each_build(3_000)
    shows = tmp_path / "published" / NAME
    chance = random.Random(7)  # noqa: S311 - moments, no secrets
    reached = set()
    for _ in range(100 if PROOF else 10):
        process = subprocess.Popen(
            [sys.executable, str(HERE / "handmade.py"), str(tmp_path)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 5)):
            process.stdout.readline()
        until = time.monotonic() + chance.uniform(0, 0.2)
        while time.monotonic() < until:
            if shows.exists():
                number, contents = shown(shows)
                assert contents == expected[number]
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if shows.exists():
            number, contents = shown(shows)
            assert contents == expected[number]
            reached.add(number)
    assert len(reached) > 2


def contents_after_each_build(builds: int) -> list[Contents]:
    rows: dict[str, dict[Row, Row]] = {"fct_events": {}, "fct_days": {}}
    contents: list[Contents] = [{}]
    for number in range(1, builds):
        for table, edits in handmade.some_edits(number).items():
            for key, row in edits.items():
                if row is None:
                    rows[table].pop(key, None)
                else:
                    rows[table][key] = row
        contents.append(
            {
                **{
                    name: handmade.in_order(mine.values())
                    for name, mine in rows.items()
                },
                "ops_lanes": [(str(number),)],
            }
        )
    return contents
