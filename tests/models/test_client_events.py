"""Client events by day: built bit by bit they say what one look at all would say."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from warehouse import Warehouse
from worlds import ZONES

from tallybook.rebuild import Request, ask_for

NOON = datetime(2025, 11, 2, 12, tzinfo=UTC)
"""Havana's midnight came twice that day."""

Row = dict[str, Any]


def client_event(key: str, at: datetime, event: str, account: str | None) -> Row:
    properties = {} if account is None else {"account_id": account, "tenant": "b"}
    payload = {"event": event, "properties": properties, "dropped": 1}
    return {
        "event_key": key,
        "event_name": event,
        "occurred_at": at,
        "received_at": at,
        "via": "beacon",
        "request_id": "request-1",
        "position": 0,
        "payload": json.dumps(payload),
    }


def write(warehouse: Warehouse, rows: Sequence[Row], **app: Any) -> None:
    """One load: client events, and what else came with it."""
    load_id = warehouse.load(committed=False, **app)
    with duckdb.connect(warehouse.path) as connection:
        connection.register("arrived", pa.Table.from_pylist(list(rows)))
        if rows:
            connection.execute(
                "insert into raw.client_events by name"
                " select *, ? as _dlt_load_id from arrived",
                [load_id],
            )
    warehouse.commit(load_id)


def expected(
    rows: Sequence[Row], zones: Mapping[str, str], account_property: str = "account_id"
) -> Counter[tuple[str, str, str, str]]:
    """What the mart must hold, counted from the rows as anyone would."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for row in rows:
        account = json.loads(row["payload"])["properties"].get(account_property)
        zone = zones.get(account, "UTC")
        key = account if account in zones else ""
        date = row["occurred_at"].astimezone(ZoneInfo(zone)).date().isoformat()
        found[key, date, row["event_name"], zone] += 1
    return found


def held(warehouse: Warehouse) -> Counter[tuple[str, str, str, str]]:
    rows = warehouse.rows("select * from marts.fct_client_events_daily")
    assert all(row["events"] == row["properties_dropped"] for row in rows)
    assert all((row["account_id"] or "") == row["account_key"] for row in rows)
    return Counter(
        {
            (
                row["account_key"],
                row["date"].isoformat(),
                row["event_name"],
                row["reporting_timezone"],
            ): row["events"]
            for row in rows
        }
    )


def account(name: str, zone: str) -> Row:
    return {"account_id": name, "reporting_timezone": zone, "name": name}


DATA_TEST = "every_client_event_is_counted_once"


def build(warehouse: Warehouse, *arguments: str) -> None:
    """Builds what the mart needs, and has it recounted."""
    selected = ["--select", "+fct_client_events_daily"]
    assert warehouse.build(*selected, *arguments, seeds=False).success
    assert is_recounted(warehouse)


def is_recounted(warehouse: Warehouse) -> bool:
    return bool(warehouse._dbt("test", "--select", DATA_TEST).success)


def builds(warehouse: Warehouse) -> int:
    """How often the mart was written to."""
    sql = "select count(*) as n from ledger.builds where model like 'fct_client%'"
    return int(warehouse.rows(sql)[0]["n"])


def test_events_of_an_account_without_a_valid_zone_are_accounted_for(
    warehouse: Warehouse, zone_days: dict[int, pa.Table]
) -> None:
    """They have no daily row, and are counted by the UTC date instead."""
    both = "+fct_client_events_daily +ops_reconciliation"

    def counted() -> list[tuple[object, ...]]:
        assert warehouse.build("--select", *both.split(), seeds=False).success
        rows = warehouse.rows(
            "select account_id, date, expected from marts.ops_reconciliation"
            " where status = 'without_zone' and metric = 'client_events'"
        )
        return [tuple(row.values()) for row in rows]

    warehouse.load_zones(zone_days[2025])
    new = [client_event(str(n), NOON, "clicked", "a") for n in range(3)]
    others = [client_event("4", NOON, "clicked", who) for who in ("b", "no", None)]
    write(
        warehouse,
        [*new, *({**one, "event_key": str(n)} for n, one in enumerate(others, 10))],
        accounts=[account("a", "Mars/Olympus"), account("b", ZONES[0])],
    )
    today = NOON.date()
    assert counted() == [("a", today, 3)]
    write(warehouse, [client_event("5", NOON, "viewed", "a")], accounts=[])
    assert counted() == [("a", today, 4)]
    warehouse.load(accounts=[account("a", ZONES[1])])
    assert counted() == []
    warehouse.load(accounts=[account("a", "havana")])
    assert counted() == [("a", today, 4)]
    # By another property they are b's, which has a zone.
    warehouse.load(settings={"inbox.account_property": "tenant"})
    assert counted() == []
    warehouse.load(settings={"inbox.account_property": "account_id"})
    assert counted() == [("a", today, 4)]


@pytest.mark.parametrize("seed", range(2))
def test_bit_by_bit_is_what_a_full_refresh_gives(
    warehouse: Warehouse, zone_days: dict[int, pa.Table], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    warehouse.load_zones(zone_days[2025])
    zones: dict[str, str] = {}
    rows: list[Row] = []
    build(warehouse)
    for step in range(4):
        if step and chance.random() < 0.7:
            zones[chance.choice("abc")] = chance.choice(ZONES)
        new = [
            client_event(
                f"{step}-{number}",
                NOON + timedelta(minutes=chance.randrange(-4_000, 4_000)),
                chance.choice(["clicked", "viewed"]),
                chance.choice([None, "a", "b", "c", "nobody"]),
            )
            for number in range(40)
        ]
        rows += new
        write(warehouse, new, accounts=[account(*one) for one in zones.items()])
        build(warehouse)
        assert held(warehouse) == expected(rows, zones)
    before = builds(warehouse)
    build(warehouse)
    assert builds(warehouse) == before
    build(warehouse, "--full-refresh")
    assert held(warehouse) == expected(rows, zones)


def test_another_property_counts_all_of_it_again(
    warehouse: Warehouse, zone_days: dict[int, pa.Table]
) -> None:
    warehouse.load_zones(zone_days[2025])
    zones = {"a": ZONES[0], "b": ZONES[1]}
    rows = [client_event("1", NOON, "clicked", "a")]
    write(warehouse, rows, accounts=[account(*one) for one in zones.items()])
    build(warehouse)
    assert held(warehouse) == expected(rows, zones)

    warehouse.load(settings={"inbox.account_property": "tenant"})
    build(warehouse)
    assert held(warehouse) == expected(rows, zones, "tenant")


def test_the_data_test_finds_a_cell_that_raw_does_not_say(
    warehouse: Warehouse, zone_days: dict[int, pa.Table]
) -> None:
    warehouse.load_zones(zone_days[2025])
    rows = [client_event(str(n), NOON, "clicked", None) for n in range(3)]
    write(warehouse, rows)
    build(warehouse)
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("update marts.fct_client_events_daily set events = 2")
        # As if it had never been tested: then it looks at everything.
        connection.execute("delete from ledger.tests where true")
    assert not is_recounted(warehouse)


def test_days_that_are_asked_for_are_counted_again(
    warehouse: Warehouse, zone_days: dict[int, pa.Table]
) -> None:
    warehouse.load_zones(zone_days[2025])
    rows = [client_event(str(n), NOON, "clicked", "a") for n in range(3)]
    write(warehouse, rows, accounts=[account("a", ZONES[0])])
    build(warehouse)
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("update marts.fct_client_events_daily set events = 2")

    ask_for(warehouse.home, Request("a", NOON.date(), NOON.date()))
    build(warehouse)

    assert held(warehouse) == expected(rows, {"a": ZONES[0]})
