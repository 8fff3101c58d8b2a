"""Days of an account built again: mended where they were wrong, else left alone."""

from datetime import date
from typing import Any

import duckdb
import pytest
from proof import REPORTING, build
from reporting_worlds import zone_days
from warehouse import Warehouse, instant

from tallybook.build import Dbt
from tallybook.errors import CannotRunError
from tallybook.rebuild import Request, ask_for, scope_of
from tests.parsed import plant

FIRST, LAST = date(2025, 11, 1), date(2025, 11, 2)
ASKED = Request("acme", FIRST, LAST)


def reply(event_id: str, account_id: str, at: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "account_id": account_id,
        "name": "reply_time",
        "value": 10.0,
        "created_at": instant(at),
    }


@pytest.fixture
def talked(warehouse: Warehouse) -> Warehouse:
    """Replies on three days of two accounts, built."""
    zones = ["America/Havana", "Asia/Kathmandu"]
    warehouse.load_zones(zone_days(zones, [2025])[2025])
    warehouse.load(
        accounts=[
            {"account_id": "acme", "reporting_timezone": zones[0]},
            {"account_id": "bolt", "reporting_timezone": zones[1]},
        ],
        reporting_events=[
            reply(f"{account_id} {day}", account_id, f"2025-11-0{day}T12:00:00")
            for account_id in ("acme", "bolt")
            for day in (1, 2, 3)
        ],
    )
    build(warehouse, *REPORTING)
    return warehouse


def cells(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.mart("fct_reporting_rollups")


def spoil(warehouse: Warehouse) -> None:
    """Every count one too many, and a day that never was."""
    with duckdb.connect(warehouse.path) as con:
        con.execute("update marts.fct_reporting_rollups set count = count + 1")
        con.execute(
            "insert into marts.fct_reporting_rollups by name select * replace"
            " (date '2025-10-31' as date) from marts.fct_reporting_rollups"
            " where account_id = 'acme' and date = '2025-11-01'"
        )


def counts(warehouse: Warehouse) -> dict[tuple[str, str], int]:
    return {
        (row["account_id"], str(row["date"])): row["count"]
        for row in cells(warehouse)
        if row["dimension_type"] == "account"
    }


def test_only_the_days_that_were_asked_for_are_mended(talked: Warehouse) -> None:
    spoil(talked)
    ask_for(talked.home, Request("acme", date(2025, 10, 31), LAST))
    build(talked, *REPORTING)

    assert counts(talked) == {
        ("acme", "2025-11-01"): 1,
        ("acme", "2025-11-02"): 1,
        ("acme", "2025-11-03"): 2,
        ("bolt", "2025-11-01"): 2,
        ("bolt", "2025-11-02"): 2,
        ("bolt", "2025-11-03"): 2,
    }
    rebuilt = talked.rows(
        "select account_id, date, reasons from ledger.rebuilt_days"
        " where model = 'fct_reporting_rollups' and change_number = (select"
        " max(change_number) from ledger.builds where model = 'fct_reporting_rollups')"
        " order by date"
    )
    assert [(row["account_id"], str(row["date"])) for row in rebuilt] == [
        ("acme", "2025-10-31"),
        ("acme", "2025-11-01"),
        ("acme", "2025-11-02"),
    ]
    assert {row["reasons"] for row in rebuilt} == {"asked for"}


def test_days_that_were_right_are_not_written_and_asked_for_once(
    talked: Warehouse,
) -> None:
    held = cells(talked)
    ask_for(talked.home, ASKED)
    first = Dbt(plant(talked.home)).build()
    again = Dbt(talked.home).build()

    assert first.is_green, (first.errors, first.failures)
    assert cells(talked) == held
    (rollups,) = (r for r in first.rebuilt if r.model == "fct_reporting_rollups")
    assert (rollups.groups, rollups.added, rollups.removed) == (2, 0, 0)
    (of_acme,) = rollups.by_account
    assert (of_acme.account_id, of_acme.days) == ("acme", 2)
    assert (of_acme.first, of_acme.last, of_acme.reasons) == (FIRST, LAST, "asked for")
    assert again.rebuilt == ()


def test_a_dry_run_tells_what_there_is_and_asks_for_nothing(talked: Warehouse) -> None:
    scope = {one.mart: (one.days, one.rows) for one in scope_of(talked.home, ASKED)}

    assert scope == {
        "fct_reporting_rollups": (2, 2),
        "fct_delivery_daily": (0, 0),
        "fct_client_events_daily": (0, 0),
    }
    assert talked.rows("select * from ledger.requested_days") == []


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (Request("nobody", FIRST, LAST), "no account nobody"),
        (Request("acme", LAST, FIRST), "lies before"),
    ],
)
def test_what_makes_no_sense_is_refused(
    talked: Warehouse, request_: Request, problem: str
) -> None:
    with pytest.raises(CannotRunError, match=problem):
        ask_for(talked.home, request_)
