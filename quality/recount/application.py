"""What was sent, and by whom: from the application, or told by the events themselves.

raw.app_* ─────────────────────────╮
heard (without an application) ────┴──▶ scratch: emails, recipients, links; accounts
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from quality.recount.zones import zone
from quality.warehouse import Warehouse

TABLES = """
create table scratch.emails (
    email_id varchar, account_id varchar, notification_id varchar,
    newsletter_id varchar, subject varchar, submitted_at bigint,
    track_opens boolean, is_deleted boolean
);
create table scratch.recipients (
    email_id varchar, recipient_key varchar, recipient varchar, member_id varchar,
    message_id varchar, sent_at bigint, is_deleted boolean, updated_at bigint
);
create table scratch.links (message_id varchar, email_id varchar);
"""

# An address is lower-cased by the engine alone: Python does it otherwise ('İ').
_OF_THE_APPLICATION = """
insert into scratch.emails
select
    email_id, account_id, notification_id, newsletter_id, subject,
    epoch_us(submitted_at), track_opens, deleted_at is not null
from warehouse.raw.app_emails;
insert into scratch.recipients
select
    email_id, lower(trim(member_email)), member_email, member_id,
    nullif(trim(trim(message_id), '<>'), ''), epoch_us(sent_at),
    deleted_at is not null, epoch_us(updated_at)
from warehouse.raw.app_email_recipients;
insert into scratch.links
select message_id, email_id from scratch.recipients where message_id is not null
union all
select nullif(trim(trim(provider_message_id), '<>'), ''), email_id
from warehouse.raw.app_email_batches;
"""

_OF_THE_EVENTS = """
-- The message of an id: the first Message-ID of all that go together with it.
create temp table ids as
select distinct 0 as kind, message_id as id, provider_message_id as other
from scratch.heard where message_id is not null
union
select distinct 1, provider_message_id, message_id
from scratch.heard where provider_message_id is not null;
create temp table messages as
with recursive firsts as (
    select kind, id, coalesce(min(other), id) as name
    from ids where kind = 1 group by kind, id
),
edges as (
    select distinct heard.message_id as one, firsts.name as two
    from scratch.heard join firsts on firsts.id = heard.provider_message_id
    where heard.message_id <> firsts.name
),
both_ways as (
    select one, two from edges union all select two, one from edges
),
reached as (
    select one, two from both_ways
    union
    select reached.one, both_ways.two
    from reached join both_ways on reached.two = both_ways.one
),
named as (
    select 0 as kind, id, id as first_id from ids where kind = 0
    union
    select kind, id, name from firsts
)
select named.kind, named.id, coalesce(min(reached.two), named.first_id) as name
from named left join reached on reached.one = named.first_id
group by named.kind, named.id, named.first_id;
create temp table told as
select heard.*, coalesce(by_message.name, by_own.name) as message_name
from scratch.heard
left join messages as by_message
    on by_message.kind = 0 and by_message.id = heard.message_id
left join messages as by_own
    on by_own.kind = 1 and by_own.id = heard.provider_message_id;
create temp table given as
select message_name, min(given_email_id) as email_id
from told
where message_name is not null and given_email_id is not null
group by message_name;
create temp table accepted as
select
    coalesce(told.given_email_id, given.email_id, message_name) as email_id,
    recipient_key, recipient, domain as account_id,
    coalesce(message_id, message_name) as message_id, subject, occurred_at,
    event_key
from told left join given using (message_name)
where says_sent and recipient is not null
    and coalesce(told.given_email_id, message_name) is not null;
insert into scratch.recipients
select
    email_id, recipient_key, first(recipient order by occurred_at, event_key),
    null, first(message_id order by occurred_at, event_key), min(occurred_at),
    false, null
from accepted
group by email_id, recipient_key;
insert into scratch.emails
select
    email_id, min(account_id), null, null, min(subject), min(sent_at), null, false
from (
    select
        email_id, recipient_key,
        first(account_id order by occurred_at, event_key) as account_id,
        first(subject order by occurred_at, event_key) as subject,
        min(occurred_at) as sent_at
    from accepted
    group by email_id, recipient_key
)
group by email_id;
insert into scratch.links
select distinct messages.id, coalesce(given.email_id, messages.name)
from messages left join given on given.message_name = messages.name
where coalesce(given.email_id, messages.name) in (select email_id from accepted);
drop table accepted;
drop table given;
drop table told;
drop table messages;
drop table ids;
"""


@dataclass(frozen=True)
class Accounts:
    """Who sends.

    Attributes:
        zones: The zone of each account that has a valid one.
        zone_names: What each account calls its zone, valid or not.
        by_domain: The account of each domain that only one account sends from.
    """

    zones: dict[str, ZoneInfo]
    zone_names: dict[str, str | None]
    by_domain: dict[str, str]


def has_application(warehouse: Warehouse) -> bool:
    """Whether an application's database was ever loaded."""
    return any(
        warehouse.one(f"select 1 from warehouse.raw.{table} limit 1") is not None
        for table in ("app_accounts", "app_emails", "app_email_recipients")
    )


def accounts(warehouse: Warehouse) -> Accounts:
    """The accounts as they are now."""
    rows: Sequence[tuple[str, str | None, str | None]]
    if has_application(warehouse):
        rows = warehouse.con.execute(
            "select account_id, reporting_timezone, lower(trim(sending_domain))"
            " from warehouse.raw.app_accounts"
        ).fetchall()
    else:
        rows = list(_derived(warehouse))
    senders: dict[str, list[str]] = {}
    for account_id, _, domain in rows:
        if domain is not None:
            senders.setdefault(domain, []).append(account_id)
    zones = {account_id: zone(name) for account_id, name, _ in rows}
    return Accounts(
        {account_id: found for account_id, found in zones.items() if found},
        {account_id: name for account_id, name, _ in rows},
        {domain: who[0] for domain, who in senders.items() if len(who) == 1},
    )


def _derived(warehouse: Warehouse) -> Iterator[tuple[str, str, str]]:
    """Each sending domain as an account, in the first zone that a source gives it."""
    told = warehouse.con.execute(
        "select source, name, value from warehouse.raw.source_settings"
        " where name in ('domains', 'timezone') order by source"
    ).fetchall()
    zones = {source: value for source, name, value in told if name == "timezone"}
    of_domain: dict[str, str | None] = {}
    for source, name, value in told:
        for domain in json.loads(value) if name == "domains" else ():
            of_domain[domain] = of_domain.get(domain) or zones.get(source)
    for domain, found in of_domain.items():
        yield domain, found or "UTC", domain


def settings(warehouse: Warehouse, source: str) -> dict[str, str]:
    """A source's settings that were in force at the last extract."""
    return dict(
        warehouse.con.execute(
            "select name, value from warehouse.raw.source_settings where source = ?",
            [source],
        ).fetchall()
    )


def gather(warehouse: Warehouse) -> None:
    """Fills the scratch tables of `TABLES`; the events have been heard."""
    sql = _OF_THE_APPLICATION if has_application(warehouse) else _OF_THE_EVENTS
    warehouse.con.execute(sql)
