"""Corruptions, as data: what goes wrong, and how it is planted.

`WAREHOUSE` changes a built file; `MODELS` changes SQL in a copy of the project, and
what follows is built whole; `FOLDER` changes what lies beside the warehouse.
`test_recount.py` plants the first one by one and looks whether the third route finds
each where it is; `mutate.py` plants all and asks every check.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from simulated import answers

from extract.forgotten import Forgotten
from extract.pipeline import extract
from inbox import Record, Writer, new_request_id
from tallybook.build import Dbt
from tests.parsed import plant

ONE = "where rowid = (select min(rowid) from"
"""Of the rows that fit, the first."""

WAREHOUSE: dict[str, tuple[str, dict[str, str]]] = {
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
    "a dead letter's row lost": (
        f"delete from raw.dead_letters {ONE} raw.dead_letters)",
        {"requests": "dead"},
    ),
    "a repeated event loaded once more, and accounted for": (
        "insert into raw.mailgun_events by name select events.* replace"
        " (event_key || '-again' as event_key, requests.request_id as request_id,"
        " requests.received_at as received_at, requests._dlt_load_id as _dlt_load_id)"
        " from (from raw.mailgun_events limit 1) as events cross join"
        " (from raw.requests where source = 'mailgun' and repeated > 0"
        " order by request_id limit 1) as requests;"
        "update raw.requests set loaded = loaded + 1, repeated = repeated - 1"
        " where request_id = (select min(request_id) from raw.requests"
        " where source = 'mailgun' and repeated > 0)",
        {"message_events": "row"},
    ),
    "a repeated event counted twice": (
        "insert into marts.fct_message_events"
        " from (from marts.fct_message_events limit 1)",
        {"message_events": "row"},
    ),
    "a repeat that was never counted": (
        f"update raw.requests set repeated = repeated + 1 {ONE} raw.requests)",
        {"requests": "received"},
    ),
    "a suppression lifted before it began": (
        "update marts.fct_suppressions set since = since + interval 1 hour"
        f" {ONE} marts.fct_suppressions)",
        {"suppressions": "since"},
    ),
    "a recipient moved to another account": (
        "update marts.fct_recipient_status set account_id = 'acc_x'"
        f" {ONE} marts.fct_recipient_status)",
        {"recipient_status": "account_id"},
    ),
    "a rollup's row doubled": (
        "insert into marts.fct_reporting_rollups"
        " from (from marts.fct_reporting_rollups limit 1)",
        {"rollups": "row"},
    ),
    "a rollup's row moved a day": (
        "update marts.fct_reporting_rollups set date = date + 30"
        f" {ONE} marts.fct_reporting_rollups)",
        {"rollups": "row"},
    ),
    "an outcome lost": (
        "delete from marts.fct_conversation_outcomes"
        f" {ONE} marts.fct_conversation_outcomes)",
        {"conversation_outcomes": "row"},
    ),
    "a dead letter lost": (
        "update raw.requests set dead = dead + 1, events = events + 1"
        f" {ONE} raw.requests)",
        {"requests": "dead"},
    ),
    "an account's zone changed without a rebuild": (
        "update raw.app_accounts set reporting_timezone = 'Asia/Tokyo'"
        f" {ONE} raw.app_accounts)",
        {"delivery_daily": "row", "reporting_events": "reporting_timezone"},
    ),
    "a late event ignored": (
        "insert into raw.mailgun_events by name select * replace ('late' as event_key,"
        " occurred_at - interval 1 year as occurred_at)"
        " from raw.mailgun_events limit 1",
        {"message_events": "row"},
    ),
    "a load of which half was taken": (
        "delete from marts.fct_message_events where hash(event_key) % 2 = 0 and"
        " loaded_at = (select max(loaded_at) from marts.fct_message_events)",
        {"message_events": "row"},
    ),
    "a client event's properties lost": (
        """update raw.client_events set payload = '{"properties": {}}'"""
        f" {ONE} raw.client_events where payload like '%acc_1%')",
        {"client_events_daily": "events"},
    ),
}


DELIVERY, REPORTING = "models/marts/delivery", "models/marts/reporting"
BETWEEN, STAGING = "models/intermediate", "models/staging"

MODELS: dict[str, tuple[str, tuple[str, str]]] = {
    "distinct recipients made plain": (
        f"{DELIVERY}/fct_delivery_daily.sql",
        ("count(distinct recipient_key) as", "count(recipient_key) as"),
    ),
    "a day's count off by one": (
        f"{DELIVERY}/fct_delivery_daily.sql",
        ("count(*) as events", "count(*) + 1 as events"),
    ),
    "the last hour of each local day lost": (
        f"{DELIVERY}/fct_delivery_daily.sql",
        ("local_days.ends_at", "local_days.ends_at - interval 1 hour"),
    ),
    "a delivered status regressed": (
        f"{DELIVERY}/fct_recipient_status.sql",
        ("= 3 then 'delivered'", "= 3 then 'deferred'"),
    ),
    "clicks taken for opens": (
        f"{DELIVERY}/fct_recipient_status.sql",
        ("is not null then 'clicked'", "is not null then 'opened'"),
    ),
    "a suppression that is never lifted": (
        f"{DELIVERY}/fct_suppressions.sql",
        (
            "lifting.occurred_at > suppressing",
            "false and lifting.occurred_at > suppressing",
        ),
    ),
    "members' emails off by one": (
        f"{DELIVERY}/dim_members.sql",
        (
            "coalesce(counted.email_count, 0) as",
            "coalesce(counted.email_count, 0) + 1 as",
        ),
    ),
    "members seen a day later": (
        f"{DELIVERY}/dim_members.sql",
        ("seen.last_seen_at,", "seen.last_seen_at + interval 1 day as last_seen_at,"),
    ),
    "every address that failed is soft-bouncing": (
        f"{DELIVERY}/dim_members.sql",
        (
            "failing.temporary_failures >= 3",
            "coalesce(failing.temporary_failures, 0) >= 0",
        ),
    ),
    "a notification's recipients counted for each email": (
        f"{DELIVERY}/fct_notification_performance.sql",
        ("counts_of_recipients('distinct recipient_key')", "counts_of_recipients()"),
    ),
    "bounces without their class": (
        f"{DELIVERY}/fct_email_outcomes.sql",
        ("coalesce(bounce_class, 'Unclassified')", "'Unclassified'"),
    ),
    "events counted twice": (
        "models/marts/client/fct_client_events_daily.sql",
        ("count(*) as events", "2 * count(*) as events"),
    ),
    "dropped properties forgotten": (
        f"{STAGING}/clients/stg_clients__events.sql",
        ("as bigint), 0)", "as bigint), 0) * 0"),
    ),
    "handoffs counted by messages instead of conversations": (
        f"{REPORTING}/fct_reporting_rollups.sql",
        ("count(distinct conversation_id)", "2 * count(conversation_id)"),
    ),
    "every sum off by a cent": (
        f"{REPORTING}/fct_reporting_rollups.sql",
        ("{{ sum_of('value') }} as", "{{ sum_of('value') }} + 0.01 as"),
    ),
    "nulls counted as values": (
        f"{REPORTING}/fct_reporting_rollups.sql",
        ("count(value) as value_count", "count(*) as value_count"),
    ),
    "conversation events a day later": (
        f"{REPORTING}/fct_reporting_events.sql",
        ("local_days.local_date as date", "local_days.local_date + 1 as date"),
    ),
    "handoffs that the bot is praised for": (
        f"{REPORTING}/fct_conversation_outcomes.sql",
        ("when bot_handoffs > 0", "when bot_handoffs < 0"),
    ),
    "handoffs an hour later": (
        f"{REPORTING}/fct_handoff_conversations.sql",
        ("min(created_at)", "min(created_at) + interval 1 hour"),
    ),
    "raw events moved a day": (
        f"{STAGING}/mailgun/stg_mailgun__events.sql",
        (
            "        occurred_at,\n",
            "        occurred_at + interval 1 day as occurred_at,\n",
        ),
    ),
    "failures mapped without their severity": (
        f"{STAGING}/mailgun/stg_mailgun__events.sql",
        ("'severity=' ||", "'severe=' ||"),
    ),
    "machines taken for humans": (
        f"{STAGING}/mailgun/stg_mailgun__events.sql",
        ("keep_empty=true) }} <> ''", "keep_empty=true) }} = ''"),
    ),
    "every open is a repeated one": (
        f"{BETWEEN}/int_recipients__events.sql",
        (
            "event_type = 'opened') as open_events",
            "event_type = 'opened') * 2 as open_events",
        ),
    ),
    "the latest open taken for the first": (
        f"{BETWEEN}/int_recipients__events.sql",
        (
            "min(occurred_at) filter (where event_type = 'opened')",
            "max(occurred_at) filter (where event_type = 'opened')",
        ),
    ),
    "bounces lose their class": (
        f"{BETWEEN}/int_message_events__classified.sql",
        ("case when named.event_type = 'bounced'", "case when named.event_type = ''"),
    ),
}
"""By what goes wrong: the file, and what stands in it instead of what."""


def spoil_a_segment(home: Path) -> None:
    """Three requests are received; one byte of the second is another on disk."""
    now = datetime.now(UTC)
    at = int(now.timestamp() * 1_000_000)
    ((domain,),) = answers(
        home / "warehouse.duckdb", "select min(sending_domain) from raw.app_accounts"
    )
    records = []
    for number in range(3):
        event = {
            "event": "open",
            "sg_event_id": f"segment-{number}",
            "timestamp": int(now.timestamp()) - 3600,
            "email": "zoe@example.com",
        }
        body = json.dumps([event]).encode()
        records.append(Record(new_request_id(at), "sendgrid", str(domain), at, body))
    writer = Writer(home / "inbox")
    writer.append(records)
    writer.close()
    (segment,) = (home / "inbox").glob("*.segment")
    content = segment.read_bytes()
    assert content.count(b"segment-1") == 1
    segment.write_bytes(content.replace(b"segment-1", b"segment-7"))
    extract(["inbox"])
    build = Dbt(plant(home)).build()
    assert build.is_green, (*build.errors, *build.failures)


def bring_back_a_forgotten_person(home: Path) -> None:
    """Raw names somebody whom the list of the forgotten holds."""
    ((address,),) = answers(
        home / "warehouse.duckdb",
        "select min(member_email) from raw.app_email_recipients",
    )
    Forgotten().and_([str(address)]).write(home)


FOLDER: dict[str, Callable[[Path], None]] = {
    "a segment of the inbox spoilt on disk": spoil_a_segment,
    "a forgotten person brought back": bring_back_a_forgotten_person,
}
"""By what goes wrong: what does it in a copy of the state folder."""

WARNED = frozenset({"a segment of the inbox spoilt on disk"})
"""What makes nothing red: raw and marts agree, and what is lost is lost."""

IMPOSSIBLE = {
    "a segment torn at its very end": "It looks like a request that was never answered,"
    " which the sender sends again. The lane's message and `tallybook status` tell it.",
    "a row of a seed changed and everything rebuilt": "Seeds say what words mean; all"
    " routes read them. Tests against the simulator's own truth hold them.",
    "an event that the provider never told": "Nothing of it is here. Only the"
    " provider's own statistics know (ops_completeness, Mailgun).",
    "a payload changed in raw, before any build": "Raw is what all routes begin with;"
    " dlt's rows have no signature. The inbox's segments have checksums.",
    "an application's row changed at its source": "The newest copy is the truth.",
}
"""What no check of a warehouse can see, and why."""
