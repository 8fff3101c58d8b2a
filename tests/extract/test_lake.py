"""What was loaded lies on the lake once, whenever a landing was killed."""

from pathlib import Path

import duckdb
import pytest

from extract.lake import LOG, land
from extract.tables import TABLES

EVENT = """
    insert into raw.mailgun_events by name
    select ? as event_key, 'mg.example' as domain, ? as event_id,
        'opened' as event_name,
        timestamptz '2026-03-01 12:00:00+00' as occurred_at,
        timestamptz '2026-03-01 12:00:00+00' as received_at, 'latest' as lane,
        'r' as request_id, 0 as position, '{}' as payload, ? as _dlt_load_id
"""


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    """Empty raw tables."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema raw")
    for table in TABLES:
        connection.execute(table.create(compressed=False))
    connection.execute(
        f"create table raw.{LOG} (load_id varchar, schema_name varchar, status bigint,"
        " inserted_at timestamptz, schema_version_hash varchar)"
    )
    connection.execute(
        "create table raw.app_accounts (account_id varchar, _dlt_load_id varchar)"
    )
    return connection


def load(
    warehouse: duckdb.DuckDBPyConnection,
    load_id: str,
    *events: str,
    day: int = 1,
    committed: bool = True,
) -> None:
    """Writes a load as dlt would."""
    for event in events:
        warehouse.execute(EVENT, [event, event, load_id])
    if committed:
        warehouse.execute(
            f"insert into raw.{LOG} values (?, 'x', 0, ?::timestamptz, 'x')",  # noqa: S608
            [load_id, f"2026-03-{day:02} 13:00:00+00"],
        )


def landed(lake: Path) -> list[str]:
    """The events on the lake, as often as they lie there."""
    files = f"{lake}/raw/mailgun_events/*/*.parquet"
    found = duckdb.execute(
        f"select event_key from '{files}' order by event_key"  # noqa: S608
    ).fetchall()
    return [key for (key,) in found]


def test_each_committed_load_lands_once_in_the_folder_of_its_day(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    load(warehouse, "1", "a", "b")
    load(warehouse, "2", "c", day=2)
    load(warehouse, "3", "d", day=2, committed=False)
    assert land(warehouse, tmp_path.as_uri()).rows == {"mailgun_events": 3}
    assert land(warehouse, tmp_path.as_uri()).loads == 0
    assert landed(tmp_path) == ["a", "b", "c"]
    assert sorted(
        file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.parquet")
    ) == [
        "raw/_dlt_loads/2026-03-01/1.parquet",
        "raw/_dlt_loads/2026-03-02/2.parquet",
        "raw/mailgun_events/2026-03-01/1.parquet",
        "raw/mailgun_events/2026-03-02/2.parquet",
    ]


def test_a_landing_that_was_killed_before_its_log_is_done_again_and_nothing_twice(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    load(warehouse, "2", "a")
    load(warehouse, "1", "b")
    land(warehouse, tmp_path.as_uri())
    (tmp_path / f"raw/{LOG}/2026-03-01/2.parquet").unlink()  # it was written last
    load(warehouse, "0", "c")
    assert land(warehouse, tmp_path.as_uri()).loads == 3
    assert landed(tmp_path) == ["a", "b", "c"]


def test_what_the_application_may_change_is_written_whole_and_only_if_it_did(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    warehouse.execute("insert into raw.app_accounts values ('acme', '1')")
    load(warehouse, "1")
    assert land(warehouse, tmp_path.as_uri()).rows == {"app_accounts": 1}
    load(warehouse, "2", "a")
    assert land(warehouse, tmp_path.as_uri()).rows == {"mailgun_events": 1}
    warehouse.execute("update raw.app_accounts set _dlt_load_id = '3'")
    load(warehouse, "3")
    assert land(warehouse, tmp_path.as_uri()).rows == {"app_accounts": 1}
    assert [file.name for file in (tmp_path / "raw/app_accounts").iterdir()] == [
        "all.parquet"
    ]


def test_a_landing_that_dies_half_way_lists_no_load_and_is_done_again(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    load(warehouse, "1", "a")
    in_the_way = tmp_path / f"raw/{LOG}"
    in_the_way.parent.mkdir()
    in_the_way.write_text("no folder")
    with pytest.raises(OSError, match=LOG):
        land(warehouse, tmp_path.as_uri())
    assert landed(tmp_path) == ["a"]
    in_the_way.unlink()
    load(warehouse, "2", "b")
    assert land(warehouse, tmp_path.as_uri()).loads == 2
    assert landed(tmp_path) == ["a", "b"]
