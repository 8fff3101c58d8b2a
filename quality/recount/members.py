"""Members once more: whose mail is whose, what they did with it, what they may get.

scratch.lives ──▶ scratch.owned, each mail with its member, in buckets of members
        ╰──▶ with events and suppressions ──▶ compared with dim_members
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]

from quality.recount.application import Accounts
from quality.recount.raw_rows import events_of_recipient_keys, mail_of_member, of_member
from quality.recount.recipients import BUCKET
from quality.recount.zones import local_date
from quality.results import Key, Result, differences, keyed
from quality.warehouse import Warehouse

FEWEST = 5
"""Tracked emails that a rate can be given of."""

IN_A_ROW = 3
"""Temporary failures after which an address is soft-bouncing."""

_GRAIN = ("member_id",)
_BUCKETED = "hash(member_id) % ? = ?"
_SEEN = ("opened", "clicked")
_TRIED = ("deferred", "bounced", "delivered")

# An address is lower-cased by the engine alone: Python does it otherwise ('İ').
_OWNED = """
create table scratch.listed as
select
    member_id, account_id, email, lower(trim(email)) as recipient_key,
    epoch_us(created_at) as created_at, deleted_at is not null as is_deleted
from warehouse.raw.app_members;
create table scratch.holders as
select
    account_id, recipient_key,
    first(
        member_id order by is_deleted, created_at desc nulls last, member_id
    ) as member_id
from scratch.listed
where account_id is not null and recipient_key is not null
group by account_id, recipient_key;
create table scratch.owned as
select
    lives.* replace (
        coalesce(
            lives.member_id, holders.member_id,
            lives.account_id || ':' || lives.recipient_key
        ) as member_id
    ),
    coalesce(emails.track_opens, true) as is_tracked
from scratch.lives
left join scratch.holders using (account_id, recipient_key)
left join scratch.emails using (email_id);
"""
_MAIL = f"select * from scratch.owned where {_BUCKETED}"
_LISTED = f"select * from scratch.listed where {_BUCKETED}"
_EVENTS = f"""
select
    owned.member_id, owned.account_id, owned.recipient_key, matched.event_type,
    matched.severity, matched.occurred_at, matched.is_machine
from scratch.matched
join scratch.owned using (email_id, recipient_key)
where matched.unmatched_reason is null
    and matched.event_type in {(*_SEEN, *_TRIED)}
    and hash(owned.member_id) % ? = ?
"""
_MART = f"""
select * replace (
    epoch_us(created_at) as created_at, epoch_us(last_seen_at) as last_seen_at
)
from warehouse.marts.dim_members
where {_BUCKETED}
"""


def recount(warehouse: Warehouse, who: Accounts, result: Result) -> None:
    """Compares dim_members, whole.

    Args:
        warehouse: Its recipients and suppressions are recounted.
        who: The accounts.
        result: Takes what differs.
    """
    warehouse.con.execute(_OWNED)
    size = warehouse.one(
        "select greatest((select count(*) from scratch.matched),"
        " (select count(*) from scratch.owned), (select count(*) from scratch.listed),"
        " (select count(*) from warehouse.marts.dim_members))"
    )
    buckets = int(size) // BUCKET + 1
    for bucket in range(buckets):
        part = [buckets, bucket]
        mail, events = (
            _by_member(warehouse.rows(sql, part)) for sql in (_MAIL, _EVENTS)
        )
        listed = {row.pop("member_id"): row for row in warehouse.rows(_LISTED, part)}
        persons = {
            name: _person(listed.get(name), mail[name])
            for name in (listed.keys() | mail.keys()) - {None}
        }
        reasons = _in_force(warehouse, persons.values())
        expected: dict[Key, dict[str, Any]] = {
            (name,): {
                **person,
                **_opens(mail[name]),
                **_standing(person, events[name], reasons[_address(person)], who),
            }
            for name, person in persons.items()
        }
        actual = keyed(warehouse.rows(_MART, part), _GRAIN, result)
        result.compared += sum(map(len, expected.values()))
        result.compared += len(actual.keys() - expected.keys())
        for cell in differences(expected, actual, _GRAIN):
            name = cell.where["member_id"]
            result.add(replace(cell, rows=_rows(name, mail[name])))


def _rows(name: str, mail: list[dict[str, Any]]) -> str:
    """The raw rows behind a member: events, else mail, else what is listed."""
    keys = sorted({row["recipient_key"] for row in mail})
    for provider in (row["provider"] for row in mail if row["provider"]):
        return events_of_recipient_keys(provider, keys)
    return mail_of_member(name, keys) if keys else of_member(name)


def _by_member(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["member_id"]].append(row)
    return found


def _address(row: dict[str, Any]) -> tuple[str, str]:
    return row["account_id"], row["recipient_key"]


def _person(
    listed: dict[str, Any] | None, mail: list[dict[str, Any]]
) -> dict[str, Any]:
    """Who a member is: as the application says, else as the newest mail does."""
    if listed is not None:
        return {**listed, "is_in_application": True}
    newest = max(
        mail,
        key=lambda row: (
            row["sent_at"] is not None,
            row["sent_at"],
            row["email_id"],
            row["recipient_key"],
        ),
    )
    return {
        "account_id": newest["account_id"],
        "email": newest["recipient"],
        "recipient_key": newest["recipient_key"],
        "created_at": None,
        "is_in_application": False,
        "is_deleted": False,
    }


def _opens(mail: list[dict[str, Any]]) -> dict[str, Any]:
    """Emails, and how many of those whose opens are tracked were opened."""
    tracked = [row for row in mail if row["is_tracked"]]
    opened, by_human = (
        {row["email_id"] for row in tracked if row[column] is not None}
        for column in ("first_opened_at", "first_human_opened_at")
    )
    whole = len({row["email_id"] for row in tracked})
    return {
        "email_count": len({row["email_id"] for row in mail}),
        "tracked_email_count": whole,
        "email_opened_count": len(opened),
        "email_opened_by_human_count": len(by_human),
        "email_open_rate": _percent(len(opened), whole),
        "email_human_open_rate": _percent(len(by_human), whole),
    }


def _percent(part: int, whole: int) -> int | None:
    """In whole percents, half rounded up."""
    return None if whole < FEWEST else (200 * part + whole) // (2 * whole)


def _standing(
    person: dict[str, Any],
    events: list[dict[str, Any]],
    reasons: set[tuple[str, str]],
    who: Accounts,
) -> dict[str, Any]:
    """When a member was seen, and what they may get."""
    account = person["account_id"]
    named = {reason for reason, _ in reasons}
    status = "soft_bouncing" if _bounces_softly(person, events) else "ok"
    if "bounced" in named:
        status = "dead"
    if "spam" in named:
        status = "complained"
    return {
        "reporting_timezone": who.zone_names.get(account),
        "last_seen_at": _last_seen(events, who.zones.get(account)),
        "is_subscribed": all(scope != "all" for _, scope in reasons),
        "is_suppressed": bool(reasons),
        "address_status": status,
    }


def _last_seen(events: list[dict[str, Any]], zone: ZoneInfo | None) -> int | None:
    """The first that a human did on the latest local day with anything."""
    if zone is None:
        return None
    days: dict[date, list[int]] = defaultdict(list)
    for event in events:
        if event["event_type"] in _SEEN and event["is_machine"] is not True:
            at = event["occurred_at"]
            days[local_date(at, zone)].append(at)
    return min(days[max(days)]) if days else None


def _bounces_softly(person: dict[str, Any], events: list[dict[str, Any]]) -> bool:
    """Whether the newest tries of the present address failed for now."""
    tried = [
        event
        for event in events
        if event["event_type"] in _TRIED and _address(event) == _address(person)
    ]
    ended, failed = (
        [
            event["occurred_at"]
            for event in tried
            if (event["severity"] == "temporary") == for_now
        ]
        for for_now in (False, True)
    )
    last = max(ended, default=None)
    return len([at for at in failed if last is None or at > last]) >= IN_A_ROW


def _in_force(
    warehouse: Warehouse, persons: Iterable[dict[str, Any]]
) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Reasons and scopes that keep mail from these persons' addresses."""
    asked = list({_address(person) for person in persons})
    found: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    columns = [
        pa.array([address[at] for address in asked], pa.string()) for at in (0, 1)
    ]
    warehouse.con.register(
        "asked", pa.table(columns, names=["account_id", "recipient_key"])
    )
    for account, address, reason, scope in warehouse.con.execute(
        "select account_id, recipient_key, reason, scope from scratch.suppressions"
        " join asked using (account_id, recipient_key) where lifted_at is null"
    ).fetchall():
        found[account, address].add((reason, scope))
    warehouse.con.unregister("asked")
    return found
