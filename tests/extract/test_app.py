"""The application's tables, from a real SQLite database into a real warehouse."""

import gc
import json
import os
import sqlite3
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dlt
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from extract import app_rows
from extract.app import app, source_of
from extract.app_tables import TABLES, AppError, Table


class House:
    """A warehouse, and the pipeline that loads the application into it."""

    def __init__(self, folder: Path) -> None:
        self.connection = duckdb.connect(str(folder / "warehouse.duckdb"))
        self.connection.execute("create schema raw")
        self.pipeline = dlt.pipeline(
            "tallybook",
            pipelines_dir=str(folder / "dlt"),
            destination=dlt.destinations.duckdb(self.connection),
            dataset_name="raw",
        )

    def load(
        self,
        location: str,
        queries: Mapping[str, str] | None = None,
        *,
        everything: bool = False,
    ) -> dict[str, int]:
        """Extracts once; the number of rows that this loaded, by table."""
        before = set(self.loads())
        source = app(location, self.connection, queries or {}, everything=everything)
        self.pipeline.run(source, loader_file_format="parquet")
        counts = {}
        for load_id in set(self.loads()) - before:
            for table in self.tables():
                found = self.connection.table(f"raw.{table}").filter(
                    f"_dlt_load_id = '{load_id}'"
                )
                counts[table] = len(found.fetchall())
        return {table: rows for table, rows in counts.items() if rows}

    def why_not(
        self, location: str, queries: Mapping[str, str] | None = None
    ) -> AppError:
        """Extracts once, which must fail; the error that people are told."""
        with pytest.raises((PipelineStepFailed, AppError)) as failed:
            self.load(location, queries)
        error: BaseException | None = failed.value
        while error is not None and not isinstance(error, AppError):
            error = error.__cause__ or error.__context__
        assert error is not None, failed.value
        return error

    def loads(self) -> list[str]:
        """The load ids of all packages so far."""
        if "_dlt_loads" not in self.tables("_dlt_%"):
            return []
        return [
            str(name) for (name,) in self.rows("from raw._dlt_loads select load_id")
        ]

    def tables(self, like: str = "app_%") -> list[str]:
        found = self.rows(
            "select table_name from information_schema.tables"
            " where table_schema = 'raw' and table_name like $like",
            {"like": like},
        )
        return [str(name) for (name,) in found]

    def rows(
        self, sql: str, values: Mapping[str, str] | None = None
    ) -> list[tuple[object, ...]]:
        return self.connection.execute(sql, values).fetchall()


class Application:
    """An application on SQLite, with the table of accounts that a test writes to."""

    def __init__(self, folder: Path) -> None:
        self.location = f"sqlite:///{folder / 'app.db'}"
        self._connection = sqlite3.connect(folder / "app.db")
        self.run(
            "create table accounts (account_id integer, name text,"
            " reporting_timezone text, updated_at text, deleted_at)"
        )

    def run(self, sql: str, values: Sequence[object] = ()) -> None:
        with self._connection:
            self._connection.execute(sql, values)

    def account(self, number: int, name: str, updated_at: str) -> None:
        self.run(
            "insert into accounts values (?, ?, 'Europe/Berlin', ?, null)",
            (number, name, updated_at),
        )


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    house = House(tmp_path)
    yield house
    house.connection.close()


@pytest.fixture
def application(tmp_path: Path) -> Application:
    application = Application(tmp_path)
    application.account(1, "One", "2026-03-01 12:00:00")
    application.account(2, "Two", "2026-03-01 12:30:00")
    return application


def test_all_columns_arrive_in_the_pinned_order_and_types(
    house: House, application: Application
) -> None:
    house.load(application.location)

    described = house.rows("describe raw.app_accounts")
    assert [(row[0], row[1]) for row in described] == [
        ("account_id", "VARCHAR"),
        ("name", "VARCHAR"),
        ("reporting_timezone", "VARCHAR"),
        ("week_start", "VARCHAR"),
        ("sending_domain", "VARCHAR"),
        ("updated_at", "TIMESTAMP WITH TIME ZONE"),
        ("deleted_at", "TIMESTAMP WITH TIME ZONE"),
        ("_dlt_load_id", "VARCHAR"),
    ]
    assert house.rows(
        "select account_id, name, week_start, epoch(updated_at)"
        " from raw.app_accounts order by 1"
    ) == [
        ("1", "One", None, datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()),
        ("2", "Two", None, datetime(2026, 3, 1, 12, 30, tzinfo=UTC).timestamp()),
    ]


def test_tables_that_the_application_lacks_are_not_loaded_and_not_an_error(
    house: House, application: Application
) -> None:
    assert house.load(application.location) == {"app_accounts": 2}


def test_a_second_read_of_the_same_rows_makes_no_load_package(
    house: House, application: Application
) -> None:
    house.load(application.location)

    assert house.load(application.location) == {}
    assert len(house.loads()) == 1


def test_a_row_that_is_committed_late_is_found_within_ten_minutes(
    house: House, application: Application
) -> None:
    house.load(application.location)
    before = house.rows("select account_id, _dlt_load_id from raw.app_accounts")

    application.account(3, "Late", "2026-03-01 12:20:01")
    assert house.load(application.location) == {"app_accounts": 1}
    after = house.rows("select account_id, _dlt_load_id from raw.app_accounts")
    assert set(before) < set(after)


def test_a_row_older_than_the_overlap_is_not_asked_for(
    house: House, application: Application
) -> None:
    """What keeps a read cheap: the database sends only what may be new."""
    house.load(application.location)

    application.account(3, "Too late", "2026-03-01 12:19:59")
    assert house.load(application.location) == {}


def test_a_row_without_a_time_is_read_every_time(
    house: House, application: Application
) -> None:
    house.load(application.location)

    application.run("insert into accounts (account_id, name) values (9, 'Timeless')")
    assert house.load(application.location) == {"app_accounts": 1}
    assert house.load(application.location) == {}


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T00:10:00Z",
        "2026-03-02 00:10:00.000123",
        "2026-03-01T19:10:00-05:00",
        "2026-03-02T05:10:00+05:00",
    ],
)
def test_a_time_in_any_iso_form_is_read_as_the_instant_that_it_is(
    house: House, application: Application, time: str
) -> None:
    application.account(3, "Newest", "2026-03-02 00:15:00")
    house.load(application.location)

    application.account(4, "Next", time)
    assert house.load(application.location) == {"app_accounts": 1}
    assert house.rows(
        "select epoch(updated_at)::bigint from raw.app_accounts where account_id = '4'"
    ) == [(int(datetime(2026, 3, 2, 0, 10, tzinfo=UTC).timestamp()),)]


def test_a_changed_value_a_deletion_and_its_undoing_each_load_that_one_row(
    house: House, application: Application
) -> None:
    house.load(application.location)
    stay = house.rows("select * from raw.app_accounts where account_id = '1'")

    for minute, deleted_at in enumerate([None, "2026-03-02", None]):
        application.run(
            "update accounts set name = 'New', deleted_at = ?, updated_at = ?"
            " where account_id = 2",
            (deleted_at, f"2026-03-02 12:0{minute}:00"),
        )
        assert house.load(application.location) == {"app_accounts": 1}
        [(name, deleted)] = house.rows(
            "select name, deleted_at is not null from raw.app_accounts"
            " where account_id = '2'"
        )
        assert (name, deleted) == ("New", minute == 1)
    assert house.rows("select * from raw.app_accounts where account_id = '1'") == stay


def test_a_value_that_becomes_null_is_a_change(
    house: House, application: Application
) -> None:
    house.load(application.location)

    application.run("update accounts set name = null where account_id = 2")
    assert house.load(application.location) == {"app_accounts": 1}


def test_of_rows_with_one_key_the_newest_counts_and_is_loaded_once(
    house: House, application: Application
) -> None:
    application.account(2, "Newer", "2026-03-01 12:45:00")
    application.account(2, "Older", "2026-03-01 12:40:00")
    application.run("insert into accounts (account_id, name) values (2, 'Timeless')")

    assert house.load(application.location) == {"app_accounts": 2}
    assert house.rows("select name from raw.app_accounts where account_id = '2'") == [
        ("Newer",)
    ]
    assert house.load(application.location) == {}


def test_one_key_over_the_border_of_two_batches_is_still_one_row(
    house: House, application: Application
) -> None:
    """30,000 rows of one key fill three batches, and so do 30,000 keys."""
    application.run("delete from accounts")
    application.run(
        "with recursive n(i) as (select 0 union all select i + 1 from n"
        " where i < 29999) insert into accounts select 7, 'version ' || i, 'UTC',"
        " strftime('%Y-%m-%d %H:%M:%S', '2026-01-01', i || ' seconds'), null from n"
    )
    application.run(
        "with recursive n(i) as (select 100000 union all select i + 1 from n"
        " where i < 129999) insert into accounts select i, 'many', 'UTC',"
        " '2026-01-01', null from n"
    )

    assert house.load(application.location) == {"app_accounts": 30_001}
    assert house.rows("select name from raw.app_accounts where account_id = '7'") == [
        ("version 29999",)
    ]


def test_a_table_without_updated_at_is_read_whole_and_only_changes_are_loaded(
    house: House, application: Application
) -> None:
    application.run("create table members (member_id, account_id, email)")
    application.run("insert into members values (1, 1, 'a@b.c'), (2, 1, 'd@e.f')")
    house.load(application.location)

    assert house.load(application.location) == {}
    application.run("update members set email = 'new@e.f' where member_id = 2")
    assert house.load(application.location) == {"app_members": 1}
    assert house.load(application.location) == {}
    assert len(house.rows("select * from raw.app_members")) == 2


def test_a_clock_that_runs_ahead_does_not_hide_what_is_written_after(
    house: House, application: Application
) -> None:
    application.account(3, "From the future", "2099-01-01 00:00:00")
    house.load(application.location)

    now = datetime.now(UTC)
    application.account(4, "Now", f"{now:%Y-%m-%d %H:%M:%S}")
    assert house.load(application.location) == {"app_accounts": 1}
    assert house.load(application.location) == {}
    assert len(house.loads()) == 2


def test_an_emptied_warehouse_is_filled_whole_again(
    house: House, application: Application
) -> None:
    house.load(application.location)
    house.connection.execute("delete from raw.app_accounts")

    assert house.load(application.location) == {"app_accounts": 2}


def test_another_location_is_read_from_its_beginning(
    house: House, application: Application, tmp_path: Path
) -> None:
    house.load(application.location)
    (tmp_path / "other").mkdir()
    other = Application(tmp_path / "other")
    other.account(8, "Old", "2020-01-01 00:00:00")

    assert house.load(other.location) == {"app_accounts": 1}


def test_a_column_that_the_application_gains_is_read_for_old_rows_too(
    house: House, application: Application
) -> None:
    house.load(application.location)

    application.run("alter table accounts add column week_start text default 'Sunday'")
    application.run("update accounts set updated_at = '2020-01-01' where account_id=1")
    assert house.load(application.location) == {"app_accounts": 2}
    assert house.rows("select distinct week_start from raw.app_accounts") == [
        ("Sunday",)
    ]


def test_raw_tables_that_dbt_created_empty_are_filled_as_they_are(
    house: House, application: Application
) -> None:
    types = {
        "text": "varchar",
        "timestamp": "timestamptz",
        "bool": "boolean",
        "double": "double",
    }
    for table in TABLES:
        columns = [f"{name} {types[kind]}" for name, kind in table.columns.items()]
        house.connection.execute(
            f"create table raw.{table.raw_name}"
            f" ({', '.join(columns)}, _dlt_load_id varchar not null)"
        )

    assert house.load(application.location) == {"app_accounts": 2}
    assert house.load(application.location) == {}
    application.account(3, "Three", "2026-03-01 12:31:00")
    assert house.load(application.location) == {"app_accounts": 1}


def test_the_session_of_the_warehouse_keeps_its_time_zone(
    house: House, application: Application
) -> None:
    house.connection.execute("set timezone = 'Asia/Kathmandu'")
    house.load(application.location)

    assert house.rows("select current_setting('timezone')") == [("Asia/Kathmandu",)]
    assert house.rows(
        "select epoch(min(updated_at))::bigint from raw.app_accounts"
    ) == [(int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()),)]


def test_a_missing_required_column_is_named_with_those_that_are_there(
    house: House, application: Application
) -> None:
    application.run("create table members (id, account_id, email)")

    message = str(house.why_not(application.location))
    assert "members" in message
    assert "member_id" in message
    assert "id, account_id, email" in message
    assert house.tables() == []


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("yesterday, says eve@example.com", "string"),
        (12.5, "double"),
        (1772366400, "int64"),
        (b"eve@example.com", "binary"),
    ],
)
def test_a_value_that_is_no_time_is_told_by_table_column_and_type_only(
    house: House, application: Application, value: object, says: str
) -> None:
    application.run("update accounts set deleted_at = ?", (value,))

    message = str(house.why_not(application.location))
    assert "accounts.deleted_at" in message
    assert says in message
    assert "ISO 8601" in message
    assert "eve@example.com" not in message


def test_types_that_do_not_go_together_in_one_column_are_named(
    house: House, application: Application
) -> None:
    application.run("update accounts set deleted_at = 12 where account_id = 1")
    application.run("update accounts set deleted_at = 'x' where account_id = 2")

    message = str(house.why_not(application.location))
    assert "accounts.deleted_at" in message
    assert "int, str" in message


def test_a_key_without_a_value_is_told_by_table_and_column(
    house: House, application: Application
) -> None:
    application.run("insert into accounts (name) values ('Nobody')")

    message = str(house.why_not(application.location))
    assert "accounts.account_id is null in 1 of 3 rows" in message


def test_an_error_in_the_last_table_leaves_raw_and_the_cursors_as_they_were(
    house: House, application: Application
) -> None:
    house.load(application.location)
    application.account(3, "Three", "2026-03-01 12:31:00")
    application.run("create table reporting_events (event_id)")
    house.why_not(application.location)
    application.run("drop table reporting_events")

    assert house.load(application.location) == {"app_accounts": 1}


def test_times_are_utc_on_a_machine_that_is_elsewhere() -> None:
    script = (
        "import duckdb\n"
        "from extract.app_rows import session\n"
        "here = duckdb.connect()\n"
        "for of in here, session(here):\n"
        "    print(of.execute(\"select current_setting('timezone')\").fetchone()[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "TZ": "Asia/Kathmandu"},
    )

    assert run.stdout.split() == ["Asia/Kathmandu", "UTC"]


MANY = 1_000_000 if "TALLYBOOK_PROOF" in os.environ else 100_000
"""Recipients that are read."""

MEGABYTES = 300
"""What they may take, however many they are."""

ALONE = """
import resource, sys
from extract.pipeline import extract
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print([one.loaded for _ in range(2) for one in extract(["app"])])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


def test_a_batch_is_let_go_before_the_next_but_one_is_read(house: House) -> None:
    """Without the collector of garbage, which a run seldom calls."""
    accounts = next(table for table in TABLES if table.name == "accounts")
    alive: list[int] = []
    read: list[weakref.ref[pa.Table]] = []

    def rows(table: Table) -> Iterator[pa.Table]:
        for number in range(10 if table == accounts else 0):
            row = dict.fromkeys(table.columns) | {"account_id": str(number)}
            batch = pa.Table.from_pylist([row], schema=app_rows.schema(table))
            read.append(weakref.ref(batch))
            yield batch
            alive.append(sum(one() is not None for one in read))

    gc.disable()
    try:
        house.pipeline.extract(source_of(rows), loader_file_format="parquet")
    finally:
        gc.enable()

    assert len(alive) == 10
    assert max(alive) <= 2


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["sqlite", "csv", "parquet", "one row group"])
def test_a_million_recipients_are_read_in_bounded_memory(
    tmp_path: Path, kind: str
) -> None:
    made = duckdb.connect()
    made.execute(
        "create view recipients as select 'email ' || i % 50 as email_id,"
        " 'member ' || i as member_id, 'person' || i || '@example.com' as member_email,"
        " '<' || md5(i::text) || '@mail.example.com>' as message_id,"
        " strftime(timestamp '2026-03-01' + to_seconds(i), '%Y-%m-%d %H:%M:%S')"
        " as sent_at, sent_at as updated_at from range(MANY) t(i)".replace(
            "MANY", str(MANY)
        )
    )
    location = str(tmp_path)
    if kind == "sqlite":
        location = f"sqlite:///{tmp_path / 'app.db'}"
        with sqlite3.connect(tmp_path / "app.db") as application:
            application.execute(
                "create table email_recipients (email_id, member_id, member_email,"
                " message_id, sent_at, updated_at)"
            )
            application.executemany(
                "insert into email_recipients values (?, ?, ?, ?, ?, ?)",
                made.execute("select * from recipients").fetchall(),
            )
    elif kind == "one row group":
        made.execute(
            f"copy recipients to '{tmp_path}/email_recipients.parquet'"
            f" (row_group_size {MANY})"
        )
    else:
        made.execute(f"copy recipients to '{tmp_path}/email_recipients.{kind}'")
    loaded, megabytes = read_alone(tmp_path / "home", location)

    assert loaded == [MANY, 0]
    assert megabytes < MEGABYTES


def read_alone(home: Path, location: str) -> tuple[list[int], int]:
    """Reads the application twice, as `tallybook extract app` does, in a process.

    Returns:
        The rows loaded each time, and what memory it took beyond its imports, in MB.
    """
    run = subprocess.run(
        [sys.executable, "-c", ALONE],
        env=os.environ
        | {"TALLYBOOK_HOME": str(home), "SOURCES__APP__LOCATION": location},
        check=True,
        capture_output=True,
        text=True,
    )
    loaded, megabytes = run.stdout.splitlines()
    return json.loads(loaded), int(megabytes)


def test_the_overlap_is_ten_minutes() -> None:
    from extract.app import OVERLAP

    assert timedelta(minutes=10) == OVERLAP


def test_rows_older_than_the_last_read_are_found_when_everything_is_read(
    house: House, tmp_path: Path
) -> None:
    def write(*emails: str) -> None:
        lines = "".join(f"{email}\n" for email in emails)
        (tmp_path / "emails.csv").write_text(f"email_id,account_id,updated_at\n{lines}")

    write("new,a,2026-03-02T00:00:00Z")
    house.load(str(tmp_path))
    write("new,a,2026-03-02T00:00:00Z", "restored,a,2026-02-01T00:00:00Z")

    assert house.load(str(tmp_path)) == {}
    assert house.load(str(tmp_path), everything=True) == {"app_emails": 1}
