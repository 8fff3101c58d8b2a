"""Rows that vanish from real files and databases, and come back to them."""
# ruff: noqa: S608 - the statements are this file's own.

import csv
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from dlt.pipeline.exceptions import PipelineStepFailed
from test_app import House as Loading
from test_app_databases import address, database, run, server  # noqa: F401 - fixtures

from extract.app_locations import BATCH, Database, Folder, Period, select
from extract.app_sweep import Swept, _Comparison, app_sweep
from extract.app_tables import TABLES
from extract.forgotten import Forgotten

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))

Row = tuple[object, ...]


class House(Loading):
    """A warehouse that can also be swept."""

    def sweep(
        self,
        location: str,
        period: Period = JANUARY,
        queries: Mapping[str, str] | None = None,
        *,
        even_many: bool = False,
    ) -> dict[str, Swept]:
        """Sweeps once; what it found, by table, without those that are absent."""
        found: list[Swept] = []
        source = app_sweep(
            location,
            self.connection,
            queries or {},
            period,
            found.append,
            even_many=even_many,
        )
        self.pipeline.run(source, loader_file_format="parquet")
        assert len(found) == len(TABLES)
        return {one.table: one for one in found if one.outcome != "skipped"}

    def deleted(self, table: str = "reporting_events") -> list[str]:
        """The keys that raw holds as deleted."""
        key = next(each for each in TABLES if each.name == table).key
        return [
            " ".join(str(part) for part in row)
            for row in self.rows(
                f"select {', '.join(key)} from raw.app_{table}"
                " where deleted_at is not null order by all"
            )
        ]

    def held(self, table: str = "reporting_events") -> list[tuple[object, ...]]:
        """All of a table, dlt's load ids included."""
        return self.rows(f"select * from raw.app_{table} order by all")


class Files:
    """An application that is a folder of files of one kind."""

    def __init__(self, folder: Path, kind: str) -> None:
        folder.mkdir()
        self.location = str(folder)
        self._kind = kind

    def write(self, table: str, columns: str, *rows: Row) -> None:
        """Puts these rows in the place of all that a table had."""
        path = Path(self.location) / f"{table}.{self._kind}"
        if self._kind == "csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
                    [columns.split(), *rows]
                )
            return
        made = duckdb.connect()
        made.execute(f"create table t ({' varchar, '.join(columns.split())} varchar)")
        if rows:
            made.executemany(f"insert into t values ({_marks(rows, '?')})", rows)
        made.execute(f"copy t to '{path}'")


class Tables:
    """An application that is a database."""

    def __init__(self, location: str, time: str, mark: str) -> None:
        self.location = location
        self._engine = sa.create_engine(location, poolclass=sa.pool.NullPool)
        self._time = time
        self._mark = mark

    def write(self, table: str, columns: str, *rows: Row) -> None:
        """Puts these rows in the place of all that a table had."""
        typed = ", ".join(
            f"{name} {self._time if name.endswith('_at') else 'text'}"
            for name in columns.split()
        )
        with self._engine.begin() as connection:
            cursor = connection.connection.cursor()
            if self._mark == "%s":
                cursor.execute("set timezone = 'UTC'")
            cursor.execute(f"drop table if exists {table}")
            cursor.execute(f"create table {table} ({typed})")
            if rows:
                cursor.executemany(
                    f"insert into {table} values ({_marks(rows, self._mark)})", rows
                )


def _marks(rows: Sequence[Row], mark: str) -> str:
    return ", ".join([mark] * len(rows[0]))


Place = Files | Tables


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    (tmp_path / "home").mkdir()
    house = House(tmp_path / "home")
    yield house
    house.connection.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Tables:
    path = tmp_path / "app.db"
    path.touch()
    return Tables(f"sqlite:///{path}", "text", "?")


@pytest.fixture(params=["csv", "parquet", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty application of each kind."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite")  # type: ignore[no-any-return]
    if request.param == "postgresql":
        engine = request.getfixturevalue("database")
        return Tables(address(engine), "timestamptz", "%s")
    return Files(tmp_path / "application", request.param)


EVENTS = "event_id account_id name created_at updated_at"


def event(key: object, at: str, updated_at: str = "2026-01-31 00:00:00") -> Row:
    return (key, "1", "first_response", at, updated_at)


FOUR = [
    event("a", "2026-01-01 00:00:00"),
    event("b", "2026-01-31 23:59:59.999999"),
    event("c", "2026-02-01 00:00:00"),
    event("d", "2025-12-31 23:59:59.999999"),
]


def test_what_vanished_in_the_period_is_deleted_and_the_rest_keeps_its_load_id(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR, event("stay", "2026-01-15"))
    house.load(place.location)
    before = {row[0]: row for row in house.held()}
    began = datetime.now(UTC)

    place.write("reporting_events", EVENTS, event("stay", "2026-01-15"))
    assert house.sweep(place.location) == {
        "reporting_events": Swept("reporting_events", compared=3, gone=2)
    }
    after = {row[0]: row for row in house.held()}
    assert house.deleted() == ["a", "b"]
    for key in ("c", "d", "stay"):
        assert after[key] == before[key]
    for key in ("a", "b"):
        # All but deleted_at and the load id, the last two.
        assert after[key][:-2] == before[key][:-2]
        assert began <= after[key][-2] <= datetime.now(UTC)  # type: ignore[operator]
        assert after[key][-1] == house.loads()[-1] != before[key][-1]


def test_a_second_sweep_finds_nothing_and_loads_nothing(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)
    place.write("reporting_events", EVENTS, *FOUR[1:])
    house.sweep(place.location)
    held, loads = house.held(), house.loads()

    [swept] = house.sweep(place.location).values()
    assert swept == Swept("reporting_events", compared=1)
    assert (house.held(), house.loads()) == (held, loads)


def test_a_row_whose_time_moved_out_of_the_period_is_not_gone(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)
    held = house.held()

    moved = event("a", "2026-03-05", "2020-01-01")
    place.write("reporting_events", EVENTS, moved, *FOUR[2:])
    [swept] = house.sweep(place.location).values()
    assert (swept.compared, swept.gone) == (2, 1)
    assert house.deleted() == ["b"]
    assert [row for row in house.held() if row[0] != "b"] == [
        row for row in held if row[0] != "b"
    ]


def test_a_table_that_is_absent_is_skipped_and_said(house: House, place: Place) -> None:
    place.write("accounts", "account_id", ("1",))
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)
    if isinstance(place, Files):
        for file in Path(place.location).glob("reporting_events.*"):
            file.unlink()
    else:
        with sa.create_engine(place.location).begin() as connection:
            connection.exec_driver_sql("drop table reporting_events")
    held = house.held()

    found: list[Swept] = []
    source = app_sweep(place.location, house.connection, {}, JANUARY, found.append)
    house.pipeline.run(source, loader_file_format="parquet")
    [swept] = [one for one in found if one.table == "reporting_events"]
    assert swept.outcome == "skipped"
    assert "has no reporting_events" in swept.message
    assert house.held() == held


def test_an_empty_table_is_not_believed_however_small_it_was(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)
    held = house.held()

    place.write("reporting_events", EVENTS)
    [swept] = house.sweep(place.location).values()
    assert (swept.outcome, swept.compared, swept.gone) == ("refused", 2, 0)
    assert "reporting_events is empty in" in swept.message
    assert "--even-many" in swept.message
    assert house.held() == held

    [swept] = house.sweep(place.location, even_many=True).values()
    assert (swept.outcome, swept.gone) == ("ok", 2)
    assert house.deleted() == ["a", "b"]


def test_a_period_that_was_emptied_is_believed_while_other_rows_are_there(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)

    place.write("reporting_events", EVENTS, *FOUR[2:])
    [swept] = house.sweep(place.location).values()
    assert (swept.outcome, swept.gone) == ("ok", 2)


@pytest.mark.parametrize(
    ("rows", "lost", "outcome"),
    [(201, 101, "refused"), (202, 101, "ok"), (150, 100, "ok")],
)
def test_more_than_half_of_many_rows_is_refused_unless_asked_for(
    house: House, sqlite: Tables, rows: int, lost: int, outcome: str
) -> None:
    events = [event(f"{n:03}", "2026-01-05") for n in range(rows)]
    sqlite.write("reporting_events", EVENTS, *events)
    sqlite.write("accounts", "account_id", ("1",), ("2",))
    house.load(sqlite.location)
    sqlite.write("reporting_events", EVENTS, *events[lost:])
    sqlite.write("accounts", "account_id", ("1",))

    found = house.sweep(sqlite.location)
    swept = found["reporting_events"]
    assert swept.outcome == outcome
    assert len(house.deleted()) == swept.gone == (lost if outcome == "ok" else 0)
    # The other tables are swept all the same.
    assert house.deleted("accounts") == ["2"]
    if outcome == "refused":
        assert f"{lost} of {rows} rows would go" in swept.message
        assert "--even-many" in swept.message
        house.sweep(sqlite.location, even_many=True)
    assert len(house.deleted()) == lost


def test_a_row_that_is_there_again_with_an_old_time_is_brought_back(
    house: House, place: Place
) -> None:
    old = event("a", "2026-01-01 00:00:00", "2026-01-02 00:00:00")
    place.write("reporting_events", EVENTS, old, *FOUR[1:])
    house.load(place.location)
    place.write("reporting_events", EVENTS, *FOUR[1:])
    house.sweep(place.location)
    held = {row[0]: row for row in house.held()}

    restored = (*old[:2], "reply_time", *old[3:])
    place.write("reporting_events", EVENTS, restored, *FOUR[1:])
    assert house.load(place.location) == {}  # which is why a sweep has to look
    assert house.deleted() == ["a"]
    [swept] = house.sweep(place.location).values()
    assert (swept.compared, swept.gone, swept.back) == (1, 0, 1)
    assert house.deleted() == []
    after = {row[0]: row for row in house.held()}
    assert after["a"][2] == "reply_time"
    assert {key: after[key] for key in "bcd"} == {key: held[key] for key in "bcd"}


def test_a_row_that_came_back_in_another_period_is_found_in_that(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)
    place.write("reporting_events", EVENTS, *FOUR[1:])
    house.sweep(place.location)
    place.write("reporting_events", EVENTS, *FOUR[1:], event("a", "2026-03-01"))

    march = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert house.sweep(place.location, march)["reporting_events"].back == 1
    assert house.deleted() == []


DELETING = f"{EVENTS} deleted_at"


def test_a_deletion_and_its_undoing_without_a_new_time_are_both_found(
    house: House, place: Place
) -> None:
    """A soft deletion that should have moved `updated_at`, and didn't."""
    place.write("reporting_events", DELETING, *((*row, None) for row in FOUR))
    house.load(place.location)
    gone = (*FOUR[0], "2026-02-02 00:00:00")
    rest = [(*row, None) for row in FOUR[1:]]

    # As if its time had been moved long before the last read.
    house.connection.execute(
        "update raw.app_reporting_events set updated_at = '2026-01-02 00:00:00+00'"
        " where event_id = 'a'"
    )
    unmoved = (*gone[:4], "2026-01-02 00:00:00", gone[5])
    place.write("reporting_events", DELETING, unmoved, *rest)
    assert house.load(place.location) == {}
    [swept] = house.sweep(place.location).values()
    assert (swept.gone, swept.deleted, swept.back) == (0, 1, 0)
    assert house.rows(
        "select epoch(deleted_at)::bigint from raw.app_reporting_events"
        " where event_id = 'a'"
    ) == [(int(datetime(2026, 2, 2, tzinfo=UTC).timestamp()),)]
    loads = house.loads()
    [swept] = house.sweep(place.location).values()
    assert swept == Swept("reporting_events", compared=1)
    assert house.loads() == loads

    place.write("reporting_events", DELETING, (*unmoved[:5], None), *rest)
    [swept] = house.sweep(place.location).values()
    assert (swept.gone, swept.deleted, swept.back) == (0, 0, 1)
    assert house.deleted() == []


def test_a_soft_deletion_with_its_time_needs_no_sweep_and_moves_no_other_row(
    house: House, place: Place
) -> None:
    rows = [(*row, None) for row in FOUR]
    place.write("reporting_events", DELETING, *rows)
    house.load(place.location)
    before = house.held()

    soft = (*event("a", "2026-01-01", "2026-01-31 00:05:00"), "2026-01-31 00:05:00")
    place.write("reporting_events", DELETING, soft, *rows[1:])
    # All four are read again, being within ten minutes of the cursor.
    assert house.load(place.location) == {"app_reporting_events": 1}
    assert house.deleted() == ["a"]
    assert house.held()[1:] == before[1:]


def test_tables_without_a_time_and_rows_without_one_are_compared_in_any_period(
    house: House, place: Place
) -> None:
    emails = "email_id account_id submitted_at"
    place.write("accounts", "account_id", ("1",), ("2",))
    place.write("email_batches", "provider_message_id email_id", ("p", "1"), ("p", "2"))
    place.write("emails", emails, ("x", "1", None), ("y", "1", None))
    place.write("members", "member_id account_id email", ("m", "1", ""), ("n", "1", ""))
    house.load(place.location)

    place.write("accounts", "account_id", ("1",))
    place.write("email_batches", "provider_message_id email_id", ("p", "1"))
    place.write("emails", emails, ("x", "1", "2020-01-01"))
    place.write("members", "member_id account_id email", ("m", "1", ""))
    found = house.sweep(place.location)
    assert {
        name: (one.compared, one.gone) for name, one in found.items()
    } == dict.fromkeys(("accounts", "email_batches", "emails", "members"), (2, 1))
    assert house.deleted("accounts") == ["2"]
    assert house.deleted("email_batches") == ["p 2"]
    assert house.deleted("emails") == ["y"]
    assert house.deleted("members") == ["n"]
    assert "compared whole" in found["accounts"].message
    assert "created_at" in found["members"].message
    assert found["emails"].message == ""


HOSTILE = [
    "o'brien",
    'say "hi"',
    "%s",
    ":name",
    "a,b\n\\;--",
    "e\u0301",
    "\u00e9",
    "\U0001f4e7\u202e",
    " x",
    "x ",
    "X",
    "x",
    "NULL",
    "1",
    "01",
    "1.0",
]


def test_keys_are_told_apart_whatever_is_in_them(house: House, place: Place) -> None:
    keys = [*HOSTILE, ""]
    if "postgresql" not in place.location and not place.location.endswith("csv"):
        keys += ["nul\0a", "nul\0b", "nul"]
    columns = "email_id member_email sent_at"
    rows = [(key, f"{key}@", "2026-01-01") for key in keys]
    place.write("email_recipients", columns, *rows)
    house.load(place.location)

    # Every second one goes, and every second one of those that stay moves away.
    stay = [
        (key, email, "2020-01-01" if n % 4 else at)
        for n, (key, email, at) in enumerate(rows)
        if n % 2
    ]
    place.write("email_recipients", columns, *stay)
    [swept] = house.sweep(place.location).values()
    gone = sorted(f"{key} {key}@" for key in keys[::2])
    assert sorted(house.deleted("email_recipients")) == gone
    assert (swept.compared, swept.gone) == (len(keys), len(gone))


def test_a_cursor_of_the_incremental_read_is_not_moved(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)
    cursors = house.pipeline.state["sources"]

    late = event("late", "2026-01-20", "2026-01-31 00:09:00")
    newest = event("newest", "2026-01-20", "2026-06-01 00:00:00")
    back = event("b", "2026-01-31 23:59:59.999999", "2026-06-01 00:00:00")
    place.write("reporting_events", EVENTS, *FOUR[:1], *FOUR[2:], late, newest)
    assert house.sweep(place.location)["reporting_events"].gone == 1
    place.write("reporting_events", EVENTS, FOUR[0], back, *FOUR[2:], late, newest)
    assert house.sweep(place.location)["reporting_events"].back == 1
    assert house.pipeline.state["sources"] == cursors
    assert house.load(place.location) == {"app_reporting_events": 2}


def test_another_place_than_raw_was_read_from_is_refused_until_it_is_read(
    house: House, sqlite: Tables, tmp_path: Path
) -> None:
    sqlite.write("reporting_events", EVENTS, *FOUR)
    house.load(sqlite.location)
    other = Files(tmp_path / "other", "csv")
    other.write("reporting_events", EVENTS, *FOUR[1:])

    [swept] = house.sweep(other.location, even_many=True).values()
    assert (swept.outcome, swept.gone) == ("refused", 0)
    assert "run `tallybook extract app`" in swept.message
    assert house.deleted() == []
    house.load(other.location)
    assert house.sweep(other.location)["reporting_events"].gone == 1


def test_an_error_in_one_table_marks_nothing_in_any(house: House, place: Place) -> None:
    place.write("accounts", "account_id", ("1",), ("2",))
    place.write("reporting_events", EVENTS, *FOUR)
    house.load(place.location)
    place.write("accounts", "account_id", ("1",))
    place.write("reporting_events", "event_id", ("a",))
    loads = house.loads()

    with pytest.raises(PipelineStepFailed, match="has no column account_id"):
        house.sweep(place.location)
    assert house.deleted("accounts") == []
    assert house.loads() == loads


def test_a_warehouse_without_the_application_is_swept_without_effect(
    house: House, place: Place
) -> None:
    place.write("reporting_events", EVENTS, *FOUR)

    assert house.sweep(place.location) == {
        "reporting_events": Swept("reporting_events")
    }
    assert house.tables() == []


def test_a_fraction_of_a_second_at_the_edge_of_a_period_counts(
    house: House, place: Place
) -> None:
    """SQLite compares whole seconds, and must let in too much, not too little."""
    first = event("first", "2026-01-01 00:00:00.7", "2020-01-01")
    last = event("last", "2026-01-01 00:00:09.2", "2020-01-01")
    stay = event("stay", "2026-01-05")
    place.write("reporting_events", EVENTS, first, last, stay)
    house.load(place.location)
    second = datetime(2026, 1, 1, tzinfo=UTC)
    edges = Period(
        second.replace(microsecond=500_000),
        second.replace(second=9, microsecond=500_000),
    )

    place.write("reporting_events", EVENTS, stay)
    assert house.sweep(place.location, edges)["reporting_events"].gone == 2
    place.write("reporting_events", EVENTS, first, last, stay)
    assert house.sweep(place.location, edges)["reporting_events"].back == 2


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were in each batch that a database has sent."""
    rows: list[int] = []
    stream = Database._stream

    def counting(*of: Any) -> Iterator[Any]:
        for batch in stream(*of):
            rows.append(len(batch))
            yield batch

    monkeypatch.setattr(Database, "_stream", counting)
    return rows


@pytest.mark.parametrize("kind", ["bigint", "uuid", "char(40)", "numeric(12, 0)"])
def test_postgresql_is_asked_by_key_in_the_type_of_the_column(
    house: House,
    database: sa.Engine,  # noqa: F811 - the fixture
    kind: str,
    read: list[int],
) -> None:
    keys = {
        "uuid": "('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid",
        "char(40)": "'key ' || i",
    }
    run(
        database,
        f"set timezone = 'UTC';"
        f"create table reporting_events (event_id {kind} primary key, account_id int,"
        f" name text, created_at timestamp, updated_at timestamptz);"
        f"insert into reporting_events select {keys.get(kind, 'i')}, 1, 'x',"
        f" '2026-01-10', '2026-01-10' from generate_series(1, 3000) as t(i)",
    )
    house.load(address(database))
    # 1,200 are gone and 1,250 have moved: three questions.
    run(
        database,
        "delete from reporting_events where ctid in"
        " (select ctid from reporting_events order by event_id limit 1200);"
        "update reporting_events set created_at = '2026-03-01' where ctid in"
        " (select ctid from reporting_events order by event_id limit 1250)",
    )
    held = {row[0] for row in house.held()}
    there = {
        str(key)
        for (key,) in house.rows(
            "select event_id from raw.app_reporting_events order by event_id"
        )
    } & {str(key) for key in _keys(database)}

    read.clear()
    [swept] = house.sweep(address(database)).values()
    assert (swept.compared, swept.gone) == (3_000, 1_200)
    # Each of the 1,800 that are there was sent once: in the period, or when asked for.
    assert sum(read) == 1_800
    assert set(house.deleted()) == held - there


def _keys(engine: sa.Engine) -> list[object]:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("select event_id from reporting_events")
        return list(found.scalars())


def test_a_database_is_asked_for_what_is_missing_and_not_for_the_rest(
    house: House,
    database: sa.Engine,  # noqa: F811 - the fixture
    read: list[int],
) -> None:
    place = Tables(address(database), "timestamptz", "%s")
    elsewhere = [event(f"far {n}", "2020-01-01") for n in range(50)]
    place.write("reporting_events", EVENTS, *FOUR, *elsewhere)
    house.load(place.location)
    place.write("reporting_events", EVENTS, event("a", "2020-01-01"), *elsewhere)
    read.clear()
    [swept] = house.sweep(place.location).values()
    assert (swept.compared, swept.gone) == (2, 1)
    assert sum(read) == 1


def test_a_key_that_its_column_can_no_longer_hold_is_gone(
    house: House,
    database: sa.Engine,  # noqa: F811 - the fixture
) -> None:
    place = Tables(address(database), "timestamptz", "%s")
    place.write("reporting_events", EVENTS, *FOUR, event("7", "2026-01-05"))
    house.load(place.location)
    run(
        database,
        "delete from reporting_events where event_id <> '7';"
        "update reporting_events set created_at = '2020-01-01';"
        "alter table reporting_events alter event_id type bigint"
        " using event_id::bigint",
    )

    [swept] = house.sweep(place.location).values()
    assert (swept.compared, swept.gone) == (3, 2)
    assert house.deleted() == ["a", "b"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_query_is_swept_as_the_table_that_it_stands_for(
    house: House, request: pytest.FixtureRequest, kind: str
) -> None:
    number = "cast(id as integer)"
    if kind == "sqlite":
        place = request.getfixturevalue("sqlite")
        number = "id + 0"  # has no type, so it is no text that one could ask for
    else:
        engine = request.getfixturevalue("database")
        place = Tables(address(engine), "timestamptz", "%s")
    columns = "id kind happened_at"
    rows = [(str(n), "100% :done", f"2026-01-{n:02}") for n in range(1, 8)]
    place.write("events", columns, *rows)
    query = (
        f"select {number} as event_id, 1 as account_id, kind as name,"
        " happened_at as created_at from events where kind like '100%' and id <> ':x';"
    )
    queries = {"reporting_events": query}
    house.load(place.location, queries)

    moved = ("2", "100% :done", "2026-03-01")
    place.write("events", columns, moved, ("3", "other", "2026-01-03"), *rows[3:])
    [swept] = house.sweep(place.location, queries=queries).values()
    assert (swept.compared, swept.gone) == (7, 2)
    assert house.deleted() == ["1", "3"]


def test_what_is_gone_is_handed_on_in_batches(house: House) -> None:
    house.connection.execute(
        "create table raw.app_accounts as select i::varchar as account_id, '' as name,"
        " '' as reporting_timezone, '' as week_start, '' as sending_domain,"
        " now() as updated_at, null::timestamptz as deleted_at from range(30_000) t(i);"
        "create temp table gone as select account_id from raw.app_accounts"
    )
    [accounts] = [table for table in TABLES if table.name == "accounts"]
    none = Folder(Path(__file__).parent)
    comparison = _Comparison(
        accounts,
        none,
        ["account_id"],
        None,
        house.connection,
        forgotten=Forgotten(),
    )
    comparison.gone = 30_000
    rows = [len(batch) for batch in comparison.gone_rows(JANUARY.begin)]

    assert sum(rows) == 30_000
    assert max(rows) <= BATCH


def test_mysql_is_told_the_period_without_casts() -> None:
    from sqlalchemy.dialects import mysql

    [recipients] = [table for table in TABLES if table.name == "email_recipients"]
    said = str(
        select(
            None, recipients, ["email_id"], None, "mysql", period=JANUARY, ordered=False
        ).compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
    )

    assert " ".join(said.split()) == (
        "SELECT email_recipients.email_id FROM email_recipients"
        " WHERE email_recipients.sent_at IS NULL"
        " OR email_recipients.sent_at >= '2026-01-01 00:00:00'"
        " AND email_recipients.sent_at < '2026-02-01 00:00:00'"
    )


def test_a_file_is_never_asked_by_key(tmp_path: Path, sqlite: Tables) -> None:
    """SQLite's untyped columns hold 1 and '1', which are one key in raw, not there."""
    assert not Folder(tmp_path).asks_by_key
    assert not Database(sqlite.location, {}).asks_by_key


BIG = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_app_sweep import House
from extract.app_locations import Period
house = House(Path(sys.argv[2]))
house.connection.execute("set threads = 1; set memory_limit = '160MB'")
house.connection.execute(sys.argv[4])
day = lambda month: datetime(2026, month, 1, tzinfo=UTC)
swept = house.sweep(sys.argv[3], Period(day(1), day(1)))
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
swept = house.sweep(sys.argv[3], Period(day(1), day(12)))["email_recipients"]
print(swept.compared, swept.gone, swept.back)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""

RECIPIENTS = (
    "select 'email ' || i % 50 as email_id, 'member ' || i as member_id,"
    " 'person' || i || '@example.com' as member_email,"
    " '<' || md5(i::text) || '@mail.example.com>' as message_id,"
    " timestamp '2026-02-01' + i * interval '1 second' as sent_at,"
    " timestamp '2026-02-01' as updated_at"
)


@pytest.mark.parametrize("kind", ["sqlite", "csv", "parquet", "postgresql"])
@pytest.mark.usefixtures("house")
def test_100_000_rows_are_compared_in_bounded_memory(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Of 100,000 rows 40,000 are gone, and of 20,000 that were, 20,000 are back."""
    made = duckdb.connect()
    stay = f"{RECIPIENTS} from range(40_000, 120_000) as t(i)"
    location = str(tmp_path / "application")
    (tmp_path / "application").mkdir()
    (tmp_path / "other home").mkdir()
    if kind == "postgresql":
        engine = request.getfixturevalue("database")
        location = address(engine)
        run(
            engine,
            "set timezone = 'UTC'; create table email_recipients as "
            + f"{RECIPIENTS} from generate_series(40000, 119999) as t(i)",
        )
    elif kind == "sqlite":
        location = f"sqlite:///{tmp_path / 'app.db'}"
        with sqlite3.connect(tmp_path / "app.db") as application:
            application.execute(
                "create table email_recipients (email_id, member_id, member_email,"
                " message_id, sent_at, updated_at)"
            )
            application.executemany(
                "insert into email_recipients values (?, ?, ?, ?, ?, ?)",
                made.execute(
                    f"select * replace (sent_at::varchar as sent_at,"
                    f" updated_at::varchar as updated_at) from ({stay})"
                ).fetchall(),
            )
    else:
        made.execute(f"copy ({stay}) to '{location}/email_recipients.{kind}'")
    held = (
        "set timezone = 'UTC'; create table raw.app_email_recipients as"
        " select * replace (sent_at::timestamptz as sent_at, updated_at::timestamptz"
        " as updated_at), case when member_id >= 'member 100000' and"
        " len(member_id) = 13 then timestamptz '2026-02-09' end as deleted_at,"
        f" 'x' as _dlt_load_id from ({RECIPIENTS} from range(120_000) as t(i))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BIG,
            str(Path(__file__).parent),
            str(tmp_path / "other home"),
            location,
            held,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    swept, megabytes = done.stdout.splitlines()[-2:]

    assert swept == "100000 40000 20000"
    assert int(megabytes) < 120
