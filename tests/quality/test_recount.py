"""The third route: green on whatever is clean, red where something was planted."""

import os
import shutil
from pathlib import Path

import pytest
from mutations import ONE, WAREHOUSE
from simulated import answers, change, fill

from quality.recount.all import TITLES, recount
from quality.results import Cell, Result
from quality.warehouse import opened
from simulator import Spec

PROOF = bool(os.environ.get("TALLYBOOK_PROOF"))

WORLDS = {
    "untidy": (
        Spec(seed=3, days=9, emails=6, recipients_per_email=30, hostile=0.03, late=0.2),
        True,
    ),
    "without an application": (
        Spec(seed=4, days=6, emails=6, recipients_per_email=30, unknown_names=0.05),
        False,
    ),
    **(
        {
            f"seed {seed}": (
                Spec(seed=seed, emails=12, recipients_per_email=30, hostile=0.01),
                bool(seed % 4),
            )
            for seed in range(100, 120)
        }
        if PROOF
        else {}
    ),
}


def checks(warehouse: Path) -> dict[str, Result]:
    """All of the third route."""
    with opened(warehouse) as found:
        return {result.name: result for result in recount(found)}


@pytest.mark.parametrize("name", WORLDS)
def test_a_clean_world_agrees_in_every_cell(name: str, tmp_path: Path) -> None:
    spec, application = WORLDS[name]
    found = checks(fill(tmp_path, spec, application=application))

    assert found.keys() == TITLES.keys()
    assert [cell for result in found.values() for cell in result.cells] == []
    compared = {name for name, result in found.items() if result.compared}
    silent = {"reporting_events", "rollups", "handoff_conversations"}
    silent |= {"conversation_outcomes", "notification_performance"}
    assert compared == found.keys() - (set() if application else silent)


def test_each_row_of_each_mart_is_compared(clean: Path) -> None:
    found = checks(clean)

    columns = {
        "message_events": 22,
        "recipient_status": 33,
        "email_outcomes": 20,
        "notification_performance": 33,
        "suppressions": 4,
        "members": 17,
        "client_events_daily": 4,
        "delivery_daily": 3,
    }
    for check, compared in columns.items():
        mart = "dim_members" if check == "members" else f"fct_{check}"
        ((rows,),) = answers(clean, f"select count(*) from marts.{mart}")
        assert rows > 0
        assert found[check].compared == rows * compared


@pytest.mark.parametrize("name", WAREHOUSE)
def test_what_is_planted_is_found_where_it_is(name: str, copy: Path) -> None:
    statement, expected = WAREHOUSE[name]
    change(copy, statement)

    found = checks(copy)

    failed = {check for check, result in found.items() if result.status == "failed"}
    assert expected.keys() <= failed
    for check, column in expected.items():
        assert column in {cell.column for cell in found[check].cells}
    if statement.startswith(("update marts", "delete from marts", "insert into marts")):
        assert failed == set(expected), "only where it was planted"


def test_a_cell_says_what_was_expected_and_by_how_much_it_differs(copy: Path) -> None:
    ((account, day, kind, events),) = answers(
        copy,
        "select account_id, cast(date as varchar), event_type, events"
        " from marts.fct_delivery_daily order by all limit 1",
    )
    change(
        copy,
        "update marts.fct_delivery_daily set events = events + 3"
        f" where account_id = '{account}' and date = '{day}' and event_type = '{kind}'",
    )

    result = checks(copy)["delivery_daily"]

    (cell,) = result.cells
    assert result.differing == 1
    assert cell.where == {"account_id": account, "date": day, "event_type": kind}
    assert (cell.column, cell.expected, cell.actual, cell.difference) == (
        "events",
        str(events),
        str(int(str(events)) + 3),
        3.0,
    )


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("update marts.fct_delivery_daily set events = events + 1", "delivery_daily"),
        ("update marts.fct_reporting_rollups set count = count + 1", "rollups"),
        (
            "update marts.fct_client_events_daily set events = events + 1",
            "client_events_daily",
        ),
    ],
)
def test_the_raw_rows_behind_a_cell_are_one_query_away(
    statement: str, check: str, copy: Path
) -> None:
    change(copy, statement)

    cells = checks(copy)[check].cells

    assert cells
    for cell in cells[:20]:
        expected = int(cell.expected)
        rows = answers(copy, f"select count(*) from ({cell.rows})")
        assert rows == [(expected,)] or _counts_conversations(cell), cell


def _counts_conversations(cell: Cell) -> bool:
    return cell.where.get("metric") == "bot_handoffs_count"


def test_the_raw_rows_of_a_recipient_are_its_events(copy: Path) -> None:
    change(copy, "update marts.fct_recipient_status set deferrals = deferrals + 1")

    # Behind a recipient without any event is what the application sent.
    cells = [
        cell
        for cell in checks(copy)["recipient_status"].cells
        if "app_email_recipients" not in cell.rows
    ]
    assert cells
    for cell in cells[:20]:
        email, address = cell.where["email_id"], cell.where["recipient_key"]
        held = answers(copy, f"select event_key from ({cell.rows}) order by 1")
        assert held == answers(
            copy,
            "select event_key from marts.fct_message_events"
            f" where email_id = '{email}' and recipient_key = '{address}'"
            " and unmatched_reason is null order by 1",
        )


@pytest.mark.parametrize(
    ("mart", "column", "check"),
    [
        ("fct_email_outcomes", "sent", "email_outcomes"),
        ("fct_notification_performance", "sent", "notification_performance"),
        ("fct_suppressions", "event_key", "suppressions"),
        ("dim_members", "email_count", "members"),
    ],
)
def test_every_cell_of_people_has_raw_rows_behind_it(
    mart: str, column: str, check: str, copy: Path
) -> None:
    change(copy, f"update marts.{mart} set {column} = {column} || '1'")

    cells = checks(copy)[check].cells

    assert cells
    for cell in cells[:20]:
        assert answers(copy, f"select count(*) > 0 from ({cell.rows})") == [(True,)]


def test_events_that_no_build_has_taken_are_not_missed(copy: Path) -> None:
    """They lie in raw, of a load that hasn't committed."""
    change(
        copy,
        "insert into raw.mailgun_events select * replace ('later' as _dlt_load_id,"
        " 'k' as event_key) from raw.mailgun_events limit 1",
    )

    found = checks(copy)

    assert {result.status for result in found.values()} == {"passed"}


def test_rows_that_no_request_brought_only_warn(copy: Path) -> None:
    change(copy, f"delete from raw.requests {ONE} raw.requests where loaded > 0)")

    found = checks(copy)

    assert found["requests"].status == "warned"
    assert {result.status for name, result in found.items() if name != "requests"} == {
        "passed"
    }


def test_a_rollup_of_a_broken_clock_is_not_expected(copy: Path) -> None:
    change(
        copy,
        "update raw.app_reporting_events set created_at = timestamptz '1970-01-01'"
        f" {ONE} raw.app_reporting_events)",
    )

    (cell, *_) = checks(copy)["reporting_events"].cells

    assert (cell.column, cell.expected, cell.actual) == ("row", "no row", "a row")


def test_scratch_files_are_gone_after_it(clean: Path, tmp_path: Path) -> None:
    held = Path(shutil.copy(clean, tmp_path / "warehouse.duckdb"))
    checks(held)

    assert [path.name for path in tmp_path.iterdir()] == ["warehouse.duckdb"]
