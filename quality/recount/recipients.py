"""Recipients and emails once more: the whole life of each, in the order of time.

scratch.matched, in buckets of emails ──▶ one life for each recipient
        ├──▶ compared with fct_recipient_status
        ├──▶ counted by email ──▶ compared with fct_email_performance
        ╰──▶ scratch.lives, for what is counted over several emails
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from quality.recount.counts import counted, rates, whole
from quality.recount.events import spoken_last
from quality.recount.raw_rows import of_email, of_keys, of_recipient
from quality.results import Key, Result, differences, keyed
from quality.warehouse import Warehouse

BUCKET = 10_000
"""Events and recipients of a bucket."""

Who = tuple[Any, ...]
"""An email's id and a recipient's key."""

_WHO = ("email_id", "recipient_key")

_STAGES = {"deferred": 1, "bounced": 2, "delivered": 3}
"""What decides the status; in the same instant the later stage of life does."""

_LIVES = """
create table scratch.lives (
    email_id varchar, recipient_key varchar, recipient varchar, member_id varchar,
    notification_id varchar, account_id varchar, provider varchar, sent_at bigint,
    delivered_at bigint, first_opened_at bigint, first_human_opened_at bigint,
    first_clicked_at bigint, bounced_at bigint, complained_at bigint,
    unsubscribed_at bigint, open_events bigint, click_events bigint,
    delivery_status varchar, is_delivered boolean, reject_reason varchar,
    bounce_class varchar
)
"""

_BUCKETED = "hash(email_id) % ? = ?"

_EVENTS = f"""
select * from scratch.matched
where unmatched_reason is null and {_BUCKETED}
order by occurred_at, received_at, event_key
"""
_RECIPIENTS = f"select * from scratch.recipients where {_BUCKETED}"
_EMAILS = f"select * from scratch.emails where {_BUCKETED}"
_STATUS = f"""
select
    email_id, recipient_key, member_id, notification_id, account_id, provider,
    recipient, message_id, epoch_us(sent_at) as sent_at,
    epoch_us(queued_at) as queued_at, epoch_us(delivered_at) as delivered_at,
    epoch_us(first_opened_at) as first_opened_at,
    epoch_us(first_human_opened_at) as first_human_opened_at,
    epoch_us(last_opened_at) as last_opened_at,
    epoch_us(first_clicked_at) as first_clicked_at,
    epoch_us(last_engaged_at) as last_engaged_at,
    epoch_us(bounced_at) as bounced_at, epoch_us(failed_at) as failed_at,
    epoch_us(complained_at) as complained_at,
    epoch_us(unsubscribed_at) as unsubscribed_at, open_events, click_events,
    deferrals, delivery_status, engagement_status, is_delivered, failure_severity,
    failure_code, failure_enhanced_code, failure_message, failure_event_key,
    reject_reason, bounce_class, epoch_us(status_changed_at) as status_changed_at,
    is_deleted
from warehouse.marts.fct_recipient_status
where {_BUCKETED}
"""
_PERFORMANCE = f"""
select * replace (epoch_us(submitted_at) as submitted_at)
from warehouse.marts.fct_email_performance
where {_BUCKETED}
"""


def recount(warehouse: Warehouse, statuses: Result, emails: Result) -> None:
    """Compares fct_recipient_status and fct_email_performance, whole.

    Args:
        warehouse: Its events are matched.
        statuses: Takes what differs in the first.
        emails: Takes what differs in the second.
    """
    size = warehouse.one(
        "select greatest((select count(*) from scratch.matched),"
        " (select count(*) from scratch.recipients),"
        " (select count(*) from warehouse.marts.fct_recipient_status))"
    )
    buckets = int(size) // BUCKET + 1
    warehouse.con.execute(_LIVES)
    for bucket in range(buckets):
        part = [buckets, bucket]
        events: dict[Who, list[dict[str, Any]]] = defaultdict(list)
        for event in warehouse.rows(_EVENTS, part):
            events[event["email_id"], event["recipient_key"]].append(event)
        mails = {row["email_id"]: row for row in warehouse.rows(_EMAILS, part)}
        lives = {
            who: _life(sent, mails.get(who[0]), events.get(who, []))
            for who, sent in _spoken(warehouse.rows(_RECIPIENTS, part))
        }
        _compare_statuses(warehouse, part, lives, events, statuses)
        _compare_emails(warehouse, part, lives, mails, emails)
        _keep(warehouse, lives)


def _keep(warehouse: Warehouse, lives: dict[Who, dict[str, Any]]) -> None:
    """Writes to `scratch.lives`."""
    if not lives:
        return
    names = warehouse.con.execute("select * from scratch.lives limit 0").description
    rows = [dict(zip(_WHO, who, strict=True)) | life for who, life in lives.items()]
    columns = {name: [row[name] for row in rows] for name, *_ in names or ()}
    warehouse.keep("lives", columns, ", ".join(columns))


def _spoken(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[Who, dict[str, Any]]]:
    """Each recipient once, with the spelling that speaks."""
    found: dict[Who, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["email_id"], row["recipient_key"]].append(row)
    for who, spellings in found.items():
        yield (
            who,
            min(
                spellings,
                key=lambda row: spoken_last(
                    (row["is_deleted"], row["updated_at"], row["recipient"])
                ),
            ),
        )


def _life(
    sent: dict[str, Any], mail: dict[str, Any] | None, events: list[dict[str, Any]]
) -> dict[str, Any]:
    """All that a recipient's row must say; the events are in the order of time."""
    of_type: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        of_type[event["event_type"]].append(event)
    for_good = [e for e in of_type["bounced"] if e["severity"] == "permanent"]
    human = [e for e in of_type["opened"] if e["is_machine"] is not True]
    engaged = [*human, *(e for e in of_type["clicked"] if e["is_machine"] is not True)]
    status, changed_at = _delivery(sent, of_type, for_good)
    proof = ("delivered", "opened", "clicked", "complained")
    return {
        "member_id": sent["member_id"],
        "notification_id": mail and mail["notification_id"],
        "account_id": mail and mail["account_id"],
        "provider": max((e["provider"] for e in events), default=None),
        "recipient": sent["recipient"],
        "message_id": sent["message_id"]
        or min((e["message_id"] for e in events if e["message_id"]), default=None),
        "sent_at": sent["sent_at"],
        "queued_at": _first(of_type["queued"]),
        "delivered_at": _first(of_type["delivered"]),
        "first_opened_at": _first(of_type["opened"]),
        "first_human_opened_at": _first(human),
        "last_opened_at": _first(of_type["opened"][::-1]),
        "first_clicked_at": _first(of_type["clicked"]),
        "last_engaged_at": max(map(_when, engaged), default=None),
        "bounced_at": _first(for_good),
        "failed_at": _first(sorted([*for_good, *of_type["rejected"]], key=_when)),
        "complained_at": _first(of_type["complained"]),
        "unsubscribed_at": _first(of_type["unsubscribed"]),
        "open_events": len(of_type["opened"]),
        "click_events": len(of_type["clicked"]),
        "deferrals": len(of_type["deferred"]),
        "delivery_status": status,
        "engagement_status": _engagement(of_type),
        "is_delivered": status not in ("bounced", "rejected")
        and any(of_type[name] for name in proof),
        **_failure(of_type),
        "status_changed_at": changed_at,
        "is_deleted": sent["is_deleted"] or bool(mail and mail["is_deleted"]),
    }


def _delivery(
    sent: dict[str, Any],
    of_type: dict[str, list[dict[str, Any]]],
    for_good: list[dict[str, Any]],
) -> tuple[str, int | None]:
    """The delivery status, and since when."""
    if for_good:
        return "bounced", _first(for_good)
    if of_type["rejected"] and not of_type["delivered"] and not of_type["bounced"]:
        return "rejected", _first(of_type["rejected"])
    decisive = [e for name in _STAGES for e in of_type[name]]
    if decisive:
        last = max(decisive, key=lambda e: (e["occurred_at"], _STAGES[e["event_type"]]))
        return last["event_type"], last["occurred_at"]
    if of_type["queued"]:
        return "queued", _first(of_type["queued"])
    return "sent", sent["sent_at"]


def _engagement(of_type: dict[str, list[dict[str, Any]]]) -> str:
    for furthest in ("complained", "unsubscribed", "clicked", "opened"):
        if of_type[furthest]:
            return furthest
    return "none"


def _failure(of_type: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The earliest permanent failure; else the newest temporary one."""
    failed = [*of_type["bounced"], *of_type["rejected"], *of_type["deferred"]]
    for_good = [
        e
        for e in failed
        if e["severity"] == "permanent" and e["event_type"] != "deferred"
    ]
    for_now = [
        e
        for e in failed
        if e["severity"] not in (None, "permanent") and e["event_type"] != "rejected"
    ]
    one: dict[str, Any] = {}
    if for_good:
        one = min(for_good, key=_arrival)
    elif for_now:
        one = max(for_now, key=_arrival)
    code = one.get("enhanced_code") or one.get("smtp_code")
    return {
        "failure_severity": one.get("severity"),
        "failure_code": one.get("smtp_code"),
        "failure_enhanced_code": one.get("enhanced_code"),
        "failure_message": one.get("message")
        or (None if code is None else f"Error {code}"),
        "failure_event_key": one.get("event_key"),
        "reject_reason": one.get("reject_reason"),
        "bounce_class": one.get("bounce_class"),
    }


def _when(event: dict[str, Any]) -> int:
    return int(event["occurred_at"])


def _arrival(event: dict[str, Any]) -> tuple[int, int, str]:
    return event["occurred_at"], event["received_at"], event["event_key"]


def _first(events: Sequence[dict[str, Any]]) -> int | None:
    return events[0]["occurred_at"] if events else None


def _compare_statuses(
    warehouse: Warehouse,
    part: list[int],
    lives: dict[Who, dict[str, Any]],
    events: dict[Who, list[dict[str, Any]]],
    result: Result,
) -> None:
    actual = keyed(warehouse.rows(_STATUS, part), _WHO, result)
    result.compared += sum(map(len, lives.values())) + len(actual.keys() - lives.keys())
    different = {
        who for who in lives.keys() | actual.keys() if lives.get(who) != actual.get(who)
    }
    for cell in differences(
        {who: lives[who] for who in different if who in lives},
        {who: actual[who] for who in different if who in actual},
        _WHO,
    ):
        who = cell.where["email_id"], cell.where["recipient_key"]
        result.add(replace(cell, rows=_rows_of(who, events.get(who, []))))


def _rows_of(who: Who, events: list[dict[str, Any]]) -> str:
    if not events:
        return of_recipient(*who)
    provider = events[0]["provider"]
    return of_keys(
        provider, [e["event_key"] for e in events if e["provider"] == provider]
    )


def _compare_emails(
    warehouse: Warehouse,
    part: list[int],
    lives: dict[Who, dict[str, Any]],
    mails: dict[str, dict[str, Any]],
    result: Result,
) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (email_id, _), life in lives.items():
        counts[email_id].update(counted(life))
    expected: dict[Key, dict[str, Any]] = {
        (email_id,): {
            **_said(mail),
            **whole(counts[email_id]),
            **rates(counts[email_id]),
        }
        for email_id, mail in mails.items()
    }
    actual = keyed(warehouse.rows(_PERFORMANCE, part), ("email_id",), result)
    result.compared += sum(map(len, expected.values()))
    result.compared += len(actual.keys() - expected.keys())
    providers = {
        name: life["provider"] for (name, _), life in lives.items() if life["provider"]
    }
    for cell in differences(expected, actual, ("email_id",)):
        email_id = cell.where["email_id"]
        result.add(replace(cell, rows=of_email(email_id, providers.get(email_id))))


def _said(mail: dict[str, Any]) -> dict[str, Any]:
    """What an email's row repeats of the email itself."""
    return {
        name: mail[name]
        for name in (
            "account_id",
            "notification_id",
            "newsletter_id",
            "subject",
            "submitted_at",
            "track_opens",
            "is_deleted",
        )
    }
