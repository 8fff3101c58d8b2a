"""The third route: green on whatever is clean, red where something was planted."""

import os
import shutil
from pathlib import Path

import pytest
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

ONE = "where rowid = (select min(rowid) from"
"""Of the rows that fit, the first."""

PLANTED = {
    "a recipient's status set back": (
        "update marts.fct_recipient_status set delivery_status = 'deferred'"
        f" {ONE} marts.fct_recipient_status where delivery_status = 'delivered')",
        {"recipient_status": "delivery_status"},
    ),
    "a first open a microsecond later": (
        "update marts.fct_recipient_status"
        " set first_opened_at = first_opened_at + interval 1 microsecond"
        f" {ONE} marts.fct_recipient_status where first_opened_at is not null)",
        {"recipient_status": "first_opened_at"},
    ),
    "a machine's open taken for a human's": (
        "update marts.fct_recipient_status set first_human_opened_at = first_opened_at"
        f" {ONE} marts.fct_recipient_status"
        " where first_opened_at is not null and first_human_opened_at is null)",
        {"recipient_status": "first_human_opened_at"},
    ),
    "a last engagement that was a machine's": (
        "update marts.fct_recipient_status set last_engaged_at = last_opened_at"
        f" {ONE} marts.fct_recipient_status"
        " where last_opened_at is not null and last_engaged_at is null)",
        {"recipient_status": "last_engaged_at"},
    ),
    "a scope given to what has none": (
        "update marts.fct_message_events set scope = 'group:1'"
        f" {ONE} marts.fct_message_events where scope is null)",
        {"message_events": "scope"},
    ),
    "a suppression that was never lifted made one": (
        "update marts.fct_suppressions set lifted_at = since"
        f" {ONE} marts.fct_suppressions where lifted_at is null)",
        {"suppressions": "lifted_at"},
    ),
    "a suppression forgotten": (
        f"delete from marts.fct_suppressions {ONE} marts.fct_suppressions)",
        {"suppressions": "row"},
    ),
    "a member's count off by one": (
        "update marts.dim_members set email_count = email_count + 1"
        f" {ONE} marts.dim_members)",
        {"members": "email_count"},
    ),
    "a member seen a microsecond later": (
        "update marts.dim_members"
        " set last_seen_at = last_seen_at + interval 1 microsecond"
        f" {ONE} marts.dim_members where last_seen_at is not null)",
        {"members": "last_seen_at"},
    ),
    "a member whose complaint is overlooked": (
        "update marts.dim_members set is_subscribed = true"
        f" {ONE} marts.dim_members where not is_subscribed)",
        {"members": "is_subscribed"},
    ),
    "a bounce of another class": (
        "update marts.fct_email_outcomes set reason = 'Mailbox Full'"
        f" {ONE} marts.fct_email_outcomes where delivery_status = 'bounced')",
        {"email_outcomes": "row"},
    ),
    "a notification's recipients counted once for each email": (
        "update marts.fct_notification_performance set sent = sent + 1"
        f" {ONE} marts.fct_notification_performance)",
        {"notification_performance": "sent"},
    ),
    "a client event counted twice": (
        "update marts.fct_client_events_daily set events = events + 1"
        f" {ONE} marts.fct_client_events_daily)",
        {"client_events_daily": "events"},
    ),
    "a client event's dropped property forgotten": (
        "update marts.fct_client_events_daily set properties_dropped = 0"
        f" {ONE} marts.fct_client_events_daily where properties_dropped > 0)",
        {"client_events_daily": "properties_dropped"},
    ),
    "a recipient doubled": (
        "insert into marts.fct_recipient_status"
        " from (from marts.fct_recipient_status limit 1)",
        {"recipient_status": "row"},
    ),
    "a recipient gone": (
        f"delete from marts.fct_recipient_status {ONE} marts.fct_recipient_status)",
        {"recipient_status": "row"},
    ),
    "an address swapped": (
        "update marts.fct_message_events set recipient_key = 'eve@example.com'"
        f" {ONE} marts.fct_message_events where unmatched_reason is null)",
        {"message_events": "recipient_key"},
    ),
    "an event of another type": (
        "update marts.fct_message_events set event_type = 'clicked'"
        f" {ONE} marts.fct_message_events where event_type = 'opened')",
        {"message_events": "event_type"},
    ),
    "an event lost": (
        f"delete from marts.fct_message_events {ONE} marts.fct_message_events)",
        {"message_events": "row"},
    ),
    "an event that a provider of nobody's sent": (
        "insert into marts.fct_message_events by name select * replace"
        " ('nobody' as provider, 'k' as event_key) from marts.fct_message_events"
        " limit 1",
        {"message_events": "row"},
    ),
    "an email's count off by one": (
        "update marts.fct_email_performance set delivered = delivered + 1"
        f" {ONE} marts.fct_email_performance)",
        {"email_performance": "delivered"},
    ),
    "a rate off by little": (
        "update marts.fct_email_performance set open_rate = open_rate + 1e-6"
        f" {ONE} marts.fct_email_performance where open_rate is not null)",
        {"email_performance": "open_rate"},
    ),
    "a day's distinct recipients made plain": (
        "update marts.fct_delivery_daily set recipients = events"
        f" {ONE} marts.fct_delivery_daily where recipients <> events)",
        {"delivery_daily": "recipients"},
    ),
    "an emptied day left behind": (
        "insert into marts.fct_delivery_daily by name select * replace"
        " (date '2026-02-01' as date) from marts.fct_delivery_daily limit 1",
        {"delivery_daily": "row"},
    ),
    "a day's row moved to another account": (
        "update marts.fct_delivery_daily set account_id = 'acc_x'"
        f" {ONE} marts.fct_delivery_daily)",
        {"delivery_daily": "row"},
    ),
    "a sum off by a cent": (
        "update marts.fct_reporting_rollups set sum_value = sum_value + 0.01"
        f" {ONE} marts.fct_reporting_rollups where sum_value > 0)",
        {"rollups": "sum_value"},
    ),
    "a rollup's zone of long ago": (
        "update marts.fct_reporting_rollups set reporting_timezone = 'Asia/Tokyo'"
        f" {ONE} marts.fct_reporting_rollups)",
        {"rollups": "reporting_timezone"},
    ),
    "a conversation event a day later": (
        "update marts.fct_reporting_events set date = date + 1"
        f" {ONE} marts.fct_reporting_events)",
        {"reporting_events": "date"},
    ),
    "a handoff lost": (
        "delete from marts.fct_handoff_conversations"
        f" {ONE} marts.fct_handoff_conversations)",
        {"handoff_conversations": "row"},
    ),
    "a handoff that the bot is praised for": (
        "update marts.fct_conversation_outcomes set outcome = 'bot_resolved'"
        f" {ONE} marts.fct_conversation_outcomes where outcome = 'handed_off')",
        {"conversation_outcomes": "outcome"},
    ),
    "an hour of a local day lost": (
        "update raw.time_zone_days set ends_at = ends_at - interval 1 hour"
        " where rowid = (select min(rowid) from raw.time_zone_days where timezone ="
        " (select min(reporting_timezone) from marts.fct_delivery_daily))",
        {"time_zone_days": "ends_at"},
    ),
    "a raw event lost": (
        f"delete from raw.mailgun_events {ONE} raw.mailgun_events)",
        {"requests": "loaded", "message_events": "row"},
    ),
    "a raw event doubled": (
        "insert into raw.mailgun_events from (from raw.mailgun_events limit 1)",
        {"requests": "loaded", "message_events": "row"},
    ),
    "a dead letter that its request doesn't know": (
        "insert into raw.dead_letters by name select 'k' as dead_letter_key,"
        " 'mailgun' as source, now() as received_at, 'invalid_json' as reason,"
        " min(request_id) as request_id, 0 as position, '' as body,"
        " min(_dlt_load_id) as _dlt_load_id from raw.requests",
        {"requests": "dead"},
    ),
    "a repeat that was never counted": (
        f"update raw.requests set repeated = repeated + 1 {ONE} raw.requests)",
        {"requests": "received"},
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


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_where_it_is(name: str, copy: Path) -> None:
    statement, expected = PLANTED[name]
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

    cells = checks(copy)["recipient_status"].cells
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
