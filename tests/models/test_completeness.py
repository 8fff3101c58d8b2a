"""The provider's counts beside ours: bit by bit as a full refresh gives them."""

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from mail import event
from proof import build
from warehouse import Warehouse

COMPLETENESS = ("--select", "+ops_completeness")
ROWS = "select * from marts.ops_completeness order by domain, date, event_name"


@pytest.fixture
def counted(warehouse: Warehouse, zone_days: dict[int, pa.Table]) -> Warehouse:
    """A warehouse with three days of one domain, of which two were read twice."""
    for table in zone_days.values():
        warehouse.load_zones(table)
    warehouse.load(
        [happened("delivered", f"2026-03-0{day}T12:00:00") for day in (2, 3, 4)]
    )
    lanes(warehouse, "latest", "2026-03-01T00:00:00", "2026-03-05T00:00:00")
    lanes(warehouse, "missing", "2026-03-01T00:00:00", "2026-03-04T00:00:00")
    tell(warehouse, {2: 1, 3: 2, 4: 9}, "2026-03-05T00:00:00")
    build(warehouse, *COMPLETENESS)
    return warehouse


def happened(name: str, at: str) -> dict[str, Any]:
    """An event of the domain."""
    return event(name, at, domain="example.com")


def lanes(warehouse: Warehouse, lane: str, begin: str, end: str) -> None:
    """Notes the run of a lane."""
    load_id = warehouse.load([])
    with duckdb.connect(warehouse.path) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(
            "insert into raw.lane_runs by name select ? as run_id, 'mailgun' as source,"
            " 'example.com' as domain, ? as lane, ?::timestamptz as began_at,"
            " ?::timestamptz as ended_at, ?::timestamptz as window_begin,"
            " ?::timestamptz as window_end, 'ok' as outcome, ? as _dlt_load_id",
            [f"{lane}-{end}", lane, end, end, begin, end, load_id],
        )


def tell(warehouse: Warehouse, counts: dict[int, int], as_of: str) -> None:
    """Loads what the provider counts of delivered events, by day of March."""
    load_id = warehouse.load([])
    with duckdb.connect(warehouse.path) as con:
        con.execute("set TimeZone = 'UTC'")
        for day, count in counts.items():
            key = ["example.com", date(2026, 3, day), "delivered"]
            con.execute(
                "delete from raw.provider_stats"
                " where (domain, day, event_name) = (?, ?, ?)",
                key,
            )
            con.execute(
                "insert into raw.provider_stats by name select ? as domain, ? as day,"
                " ? as event_name, ? as count, ?::timestamptz as as_of,"
                " ? as _dlt_load_id",
                [*key, count, as_of, load_id],
            )


def states(warehouse: Warehouse) -> dict[int, tuple[Any, ...]]:
    """Both counts and the status, by day."""
    return {
        row["date"].day: (row["provider_count"], row["our_count"], row["status"])
        for row in warehouse.rows(ROWS)
    }


def test_days_are_judged_as_they_settle(counted: Warehouse) -> None:
    assert states(counted) == {
        2: (1, 1, "complete"),
        3: (2, 1, "error"),
        4: (9, 1, "not_settled"),
    }

    # A late event comes; the fourth is asked for again, and read a second time.
    counted.load([happened("delivered", "2026-03-03T23:00:00")])
    tell(counted, {4: 1}, "2026-03-06T00:00:00")
    build(counted, *COMPLETENESS)
    assert states(counted) == {
        2: (1, 1, "complete"),
        3: (2, 2, "complete"),
        4: (1, 1, "not_settled"),
    }

    lanes(counted, "missing", "2026-03-04T00:00:00", "2026-03-05T00:00:00")
    build(counted, *COMPLETENESS)
    assert states(counted)[4] == (1, 1, "complete")

    bit_by_bit = counted.rows(ROWS)
    build(counted, "--full-refresh", *COMPLETENESS)
    assert counted.rows(ROWS) == bit_by_bit


def test_settled_days_are_left_alone(counted: Warehouse) -> None:
    counted.load([happened("opened", "2026-03-04T13:00:00")])
    build(counted, *COMPLETENESS)

    assert counted.work()["ops_completeness"][0] == 1
    assert counted.rows("select count(*) as n from marts.ops_completeness")[0]["n"] == 3


def test_a_day_of_utc_ends_with_its_last_instant(counted: Warehouse) -> None:
    counted.load([happened("delivered", "2026-03-02T23:59:59.999999")])
    build(counted, *COMPLETENESS)

    assert states(counted)[2] == (1, 2, "warn"), "more than the provider counts"
    assert states(counted)[3] == (2, 1, "error")
