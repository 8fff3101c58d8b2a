"""Wrong numbers and false alarms that somebody went hunting for, and found."""

from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from proof import RECONCILED
from reporting_worlds import zone_days
from warehouse import Warehouse, instant

NOON = instant("2025-11-05T12:00:00")
ERRORS = "('differs', 'missing', 'extra')"


def said(event_id: str, **different: Any) -> dict[str, Any]:
    """A reply of acme's, but for what is different."""
    return {
        "event_id": event_id,
        "account_id": "acme",
        "name": "reply_time",
        "value": 10.0,
        "conversation_id": "c1",
        "user_id": "ann",
        "inbox_id": "mail",
        "created_at": NOON,
        **different,
    }


@pytest.fixture
def talked(warehouse: Warehouse) -> Warehouse:
    """One reply and one handoff of an account in New York, built."""
    zones = ["America/New_York", "Asia/Tokyo"]
    warehouse.load_zones(zone_days(zones, [2025])[2025])
    warehouse.load(
        accounts=[{"account_id": "acme", "reporting_timezone": zones[0]}],
        reporting_events=[
            said("reply"),
            said("handoff", name="conversation_bot_handoff"),
        ],
    )
    build(warehouse)
    return warehouse


def build(warehouse: Warehouse, *words: str) -> None:
    result = warehouse.build(*RECONCILED, *words, seeds=False, views=False)
    assert result.success, result.exception


def checks(warehouse: Warehouse, condition: str) -> list[dict[str, Any]]:
    return warehouse.rows(
        "select check_name, measure, status, expected, actual"  # noqa: S608 - ours
        f" from marts.ops_reconciliation where {condition} order by all"
    )


@pytest.mark.parametrize("words", [(), ("--full-refresh",)], ids=["bit", "whole"])
def test_an_event_without_a_time_is_shown_and_stops_nobody(
    talked: Warehouse, words: tuple[str, ...]
) -> None:
    talked.load(reporting_events=[said("timeless", created_at=None)])
    build(talked, *words)

    (shown,) = checks(talked, "status = 'without_day'")
    assert (shown["check_name"], shown["expected"]) == ("without_day", 1)
    assert checks(talked, f"status in {ERRORS}") == []

    talked.load(reporting_events=[said("timeless", created_at=NOON)])
    build(talked)
    assert checks(talked, "status = 'without_day'") == []
    (cell,) = talked.rows(
        "select count from marts.fct_reporting_rollups"
        " where metric = 'reply_time' and dimension_type = 'account'"
    )
    assert cell["count"] == 2


def test_sums_that_cancel_out_are_no_alarm(talked: Warehouse) -> None:
    values = {"a": 0.1, "b": 0.2, "c": -0.3, "d": -10.0}
    talked.load(reporting_events=[said(key, value=v) for key, v in values.items()])
    build(talked)
    assert checks(talked, f"status in {ERRORS}") == []


def test_days_of_a_new_zone_are_not_taken_without_them(talked: Warehouse) -> None:
    """A selection that leaves int_local_days out is refused, and nothing is lost."""
    talked.load(accounts=[{"account_id": "acme", "reporting_timezone": "Asia/Tokyo"}])
    for words in ("int_reporting_events__touched+", "int_account_days__touched+"):
        assert not talked.build("--select", words, seeds=False).success
    build(talked)
    (zone,) = talked.rows(
        "select distinct reporting_timezone from marts.fct_reporting_rollups"
    )
    assert zone["reporting_timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("mart", "check"),
    [
        ("fct_handoff_conversations", "handoff_conversations"),
        ("fct_conversation_outcomes", "conversation_outcomes"),
    ],
)
def test_another_conversation_than_the_events_say_is_an_error(
    talked: Warehouse, mart: str, check: str
) -> None:
    with duckdb.connect(talked.path) as connection:
        connection.execute(f"update marts.{mart} set conversation_id = 'zz'")  # noqa: S608
    talked.load(reporting_events=[said("late", conversation_id="c2")])
    build(talked)

    found = checks(talked, f"status in {ERRORS} and check_name = '{check}'")
    assert {row["measure"] for row in found} == {"conversations", "other conversations"}


def test_a_date_that_newer_tzdata_lacks_keeps_no_mail(warehouse: Warehouse) -> None:
    """The fifth is gone, and the sixth begins when it did."""
    days = zone_days(["America/New_York"], [2025])[2025]
    fifth, sixth = (
        row
        for row in days.to_pylist()
        if str(row["local_date"]) in ("2025-11-05", "2025-11-06")
    )
    warehouse.load_zones(days)
    account = {"account_id": "acme", "reporting_timezone": "America/New_York"}
    warehouse.load(
        [
            {
                "event_key": "k",
                "event_name": "delivered",
                "domain": "mg.example",
                "occurred_at": NOON,
            }
        ],
        accounts=[{**account, "sending_domain": "mg.example"}],
    )
    build(warehouse, "+fct_delivery_daily")
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(
            "delete from raw.time_zone_days where local_date = '2025-11-06'"
        )
    longer = {**sixth, "starts_at": fifth["starts_at"]}
    warehouse.load_zones(pa.Table.from_pylist([longer], schema=days.schema))
    build(warehouse, "+fct_delivery_daily")

    dates = warehouse.rows("select date from marts.fct_delivery_daily")
    assert [str(row["date"]) for row in dates] == ["2025-11-06"]


def test_once_a_day_all_of_history_is_checked(talked: Warehouse) -> None:
    """A day that nothing touched is spoilt: the minute's build can't see it."""
    with duckdb.connect(talked.path) as connection:
        connection.execute("update marts.fct_reporting_rollups set count = count + 1")
    build(talked)
    assert checks(talked, f"status in {ERRORS}") == []

    with duckdb.connect(talked.path) as connection:
        connection.execute(
            "update ledger.builds set built_at = built_at - interval 25 hour"
            " where model = 'ops_reconciliation'"
        )
    build(talked)
    found = checks(talked, f"status in {ERRORS} and check_name = 'rollups'")
    assert {row["status"] for row in found} == {"differs"}
    (last,) = talked.rows(
        "select mode, reason from ledger.builds where model = 'ops_reconciliation'"
        " order by change_number desc limit 1"
    )
    assert (last["mode"], last["reason"]) == ("whole", "every 24 hours")
