"""What the marts of people and occasions must hold, from SEMANTICS.md 3 and 4.

    message events ──▶ suppressions ─────────────┐
    recipients ──┬──▶ who owns which mail ───────┴▶ members
                 ├──▶ outcomes of emails
                 └──▶ notifications

Begins with the rows that `oracle.py` worked out, in full and without any order of
arrival, and nothing here looks at the SQL.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from math import floor
from typing import Any

from oracle import Known, Row, Rows, zone, zones_of
from provider_oracle import recipient_key

DEAD_CODES = (605, 607)
"""Mailgun's own codes for an address that it doesn't deliver to any more."""

REACHED = {
    "opened": "first_opened_at",
    "opened_by_human": "first_human_opened_at",
    "clicked": "first_clicked_at",
    "complained": "complained_at",
    "unsubscribed": "unsubscribed_at",
}

Address = tuple[str, str]
"""account_id, recipient_key."""


def member_marts(known: Known, held: Mapping[str, Rows]) -> dict[str, Rows]:
    """What each of these marts must hold.

    Args:
        known: What was loaded.
        held: The marts that `oracle.marts` returned of it.

    Returns:
        By mart: its rows by grain.
    """
    events = list(held["fct_message_events"].values())
    recipients = list(held["fct_recipient_status"].values())
    emails = list(held["fct_email_performance"].values())
    suppressions = _suppressions(events)
    return {
        "fct_suppressions": suppressions,
        "dim_members": _members(known, events, recipients, emails, suppressions),
        "fct_email_outcomes": _outcomes(recipients),
        "fct_notification_performance": _notifications(known, recipients, emails),
    }


# Suppressions: section 3


def _suppressions(events: Iterable[Row]) -> Rows:
    """What keeps mail from whom; one event after the other."""
    # At the same instant what lifts comes first, so that suppressing wins.
    in_order = sorted(
        (event for event in events if event["account_id"] and event["recipient_key"]),
        key=lambda event: (
            event["occurred_at"],
            event["event_type"] != "subscribed",
            event["event_key"],
        ),
    )
    rows: Rows = {}
    for event in in_order:
        address = (event["account_id"], event["recipient_key"])
        if event["event_type"] == "subscribed":
            for row in rows.values():
                if (row["account_id"], row["recipient_key"]) == address and (
                    row["scope"] == event["scope"]
                ):
                    row["lifted_at"] = row["lifted_at"] or event["occurred_at"]
        elif reason := _suppression_reason(event):
            scope = event["scope"] if reason == "unsubscribed" else "all"
            grain = (*address, reason, scope)
            if grain not in rows or rows[grain]["lifted_at"]:
                rows[grain] = {
                    "account_id": address[0],
                    "recipient": event["recipient"],
                    "recipient_key": address[1],
                    "reason": reason,
                    "scope": scope,
                    "since": event["occurred_at"],
                    "lifted_at": None,
                    "event_key": event["event_key"],
                }
    return rows


def _suppression_reason(event: Row) -> str | None:
    """Why an event keeps mail from its address; None if it doesn't."""
    if event["event_type"] == "unsubscribed":
        return "unsubscribed"
    if event["event_type"] == "complained":
        return "spam"
    if event["event_type"] not in ("bounced", "rejected"):
        return None
    is_dead = (
        event["smtp_code"] in DEAD_CODES
        or event["bounce_class"] == "Invalid Address"
        or (event["event_type"] == "rejected" and event["reject_reason"] == "bounced")
    )
    return "bounced" if is_dead and event["severity"] == "permanent" else None


# Members: section 4


def _members(
    known: Known,
    events: Iterable[Row],
    recipients: Sequence[Row],
    emails: Iterable[Row],
    suppressions: Rows,
) -> Rows:
    listed = {row["member_id"]: row for row in known.members}
    holders = _holders(known.members)
    mail: dict[str, list[Row]] = defaultdict(list)
    for row in recipients:
        address = (row["account_id"], row["recipient_key"])
        if row["member_id"]:
            mail[row["member_id"]].append(row)
        elif row["account_id"]:
            mail[holders.get(address) or ":".join(address)].append(row)
    events_of: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for event in events:
        if event["unmatched_reason"] is None:
            events_of[event["email_id"], event["recipient_key"]].append(event)
    untracked = {row["email_id"] for row in emails if row["track_opens"] is False}
    in_force = [row for row in suppressions.values() if row["lifted_at"] is None]
    zones = zones_of(known)
    rows: Rows = {}
    for member_id in listed.keys() | mail.keys():
        who = _who(member_id, listed.get(member_id), mail[member_id])
        address = (who["account_id"], who["recipient_key"])
        own = [(row, events_of[_message(row)]) for row in mail[member_id]]
        reasons = {
            (row["reason"], row["scope"])
            for row in in_force
            if (row["account_id"], row["recipient_key"]) == address
        }
        rows[member_id,] = {
            **who,
            **_open_rates(mail[member_id], untracked),
            "reporting_timezone": zones.get(who["account_id"]),
            "last_seen_at": _last_seen_at(
                [event for _, theirs in own for event in theirs],
                zones.get(who["account_id"]),
                known.years,
            ),
            "is_subscribed": all(scope != "all" for _, scope in reasons),
            "is_suppressed": bool(reasons),
            "address_status": _address_status(
                reasons,
                [
                    event
                    for row, theirs in own
                    if (row["account_id"], row["recipient_key"]) == address
                    for event in theirs
                ],
            ),
        }
    return rows


def _message(row: Row) -> tuple[str, str]:
    return row["email_id"], row["recipient_key"]


def _holders(members: Iterable[Row]) -> dict[Address, str]:
    """Who has an address: one who isn't deleted, the newest, the first by id."""
    in_order = sorted(members, key=lambda row: str(row["member_id"]))
    in_order.sort(
        key=lambda row: row["created_at"].timestamp() if row["created_at"] else 0.0,
        reverse=True,
    )
    in_order.sort(key=lambda row: row["deleted_at"] is not None)
    found: dict[Address, str] = {}
    for row in in_order:
        if row["account_id"] and row["email"]:
            address = (row["account_id"], recipient_key(row["email"]))
            found.setdefault(address, row["member_id"])
    return found


def _who(member_id: str, listed: Row | None, mail: Sequence[Row]) -> Row:
    """Who a member is: as the application says, else as the newest mail does."""
    if listed:
        return {
            "member_id": member_id,
            "account_id": listed["account_id"],
            "email": listed["email"],
            "recipient_key": listed["email"] and recipient_key(listed["email"]),
            "created_at": listed["created_at"],
            "is_in_application": True,
            "is_deleted": listed["deleted_at"] is not None,
        }
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
        "member_id": member_id,
        "account_id": newest["account_id"],
        "email": newest["recipient"],
        "recipient_key": newest["recipient_key"],
        "created_at": None,
        "is_in_application": False,
        "is_deleted": False,
    }


def _open_rates(mail: Iterable[Row], untracked: set[str]) -> Row:
    """Counts of emails, and what share of those tracked was opened."""

    def emails(column: str = "email_id", *, all_of_them: bool = False) -> int:
        return len(
            {
                row["email_id"]
                for row in mail
                if row[column] is not None
                and (all_of_them or row["email_id"] not in untracked)
            }
        )

    tracked = emails()
    opened, by_human = emails("first_opened_at"), emails("first_human_opened_at")

    def rate(count: int) -> int | None:
        if tracked < 5:
            return None
        return floor(Fraction(100 * count, tracked) + Fraction(1, 2))

    return {
        "email_count": emails(all_of_them=True),
        "tracked_email_count": tracked,
        "email_opened_count": opened,
        "email_opened_by_human_count": by_human,
        "email_open_rate": rate(opened),
        "email_human_open_rate": rate(by_human),
    }


def _last_seen_at(
    events: Iterable[Row], zone_name: str | None, years: set[int]
) -> datetime | None:
    """The first thing a human did on the latest local day with one."""
    local = zone(zone_name or "")
    if not local:
        return None
    days: dict[date, list[datetime]] = defaultdict(list)
    for event in events:
        if event["event_type"] in ("opened", "clicked") and not event["is_machine"]:
            at = event["occurred_at"]
            if at.year in years:
                days[at.astimezone(local).date()].append(at)
    return min(days[max(days)]) if days else None


def _address_status(reasons: Iterable[tuple[str, str]], events: Iterable[Row]) -> str:
    """How an address stands, given all that happened to the member's mail to it."""
    named = {reason for reason, _ in reasons}
    if "spam" in named:
        return "complained"
    if "bounced" in named:
        return "dead"
    tried = sorted(
        (
            (event["occurred_at"], event["severity"] != "temporary")
            for event in events
            if event["event_type"] in ("deferred", "bounced", "delivered")
        ),
        reverse=True,
    )
    newest = [came_to_an_end for _, came_to_an_end in tried[:3]]
    return "soft_bouncing" if newest == [False] * 3 else "ok"


# What became of emails and notifications: section 4


def _outcomes(recipients: Iterable[Row]) -> Rows:
    cells: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in recipients:
        reason = ""
        if row["delivery_status"] == "bounced":
            reason = row["bounce_class"] or "Unclassified"
        elif row["delivery_status"] == "rejected":
            reason = row["reject_reason"] or "other"
        domain = row["recipient_key"].rpartition("@")[2]
        cells[row["email_id"], domain, row["delivery_status"], reason].append(row)
    return {
        grain: {
            "email_id": grain[0],
            "account_id": rows[0]["account_id"],
            "mailbox_domain": grain[1],
            "delivery_status": grain[2],
            "reason": grain[3],
            **_counts(rows),
        }
        for grain, rows in cells.items()
    }


def _notifications(
    known: Known, recipients: Iterable[Row], emails: Iterable[Row]
) -> Rows:
    written = {row["notification_id"]: row for row in known.notifications}
    mailings: dict[str, list[Row]] = defaultdict(list)
    for email in emails:
        if email["notification_id"]:
            mailings[email["notification_id"]].append(email)
    sent: dict[str, list[Row]] = defaultdict(list)
    for row in recipients:
        sent[row["notification_id"]].append(row)
    rows: Rows = {}
    for notification_id in written.keys() | mailings.keys():
        row = written.get(notification_id, {})
        those = mailings[notification_id]
        accounts = [email["account_id"] for email in those if email["account_id"]]
        submitted = [email["submitted_at"] for email in those if email["submitted_at"]]
        rows[notification_id,] = {
            "notification_id": notification_id,
            "account_id": row.get("account_id") or min(accounts, default=None),
            "kind": row.get("kind"),
            "created_at": row.get("created_at"),
            "first_submitted_at": min(submitted, default=None),
            "last_submitted_at": max(submitted, default=None),
            "is_deleted": row.get("deleted_at") is not None,
            "emails": len(those),
            **_with_rates(_counts(sent[notification_id])),
        }
    return rows


def _counts(rows: Sequence[Row]) -> Row:
    """Counts of distinct recipients, whichever of these messages puts them in."""

    def count(found: Iterable[Row]) -> int:
        return len({row["recipient_key"] for row in found})

    delivered = [row for row in rows if row["is_delivered"]]
    rejected = [row for row in rows if row["delivery_status"] == "rejected"]
    bounced = [row for row in rows if row["delivery_status"] == "bounced"]
    deferred = [row for row in rows if row["delivery_status"] == "deferred"]
    counts = {
        "sent": count(rows),
        "attempted": count(row for row in rows if row not in rejected),
        "delivered": count(delivered),
        "delivered_reported": count(row for row in rows if row["delivered_at"]),
        "rejected": count(rejected),
        "failed_permanently": count(row for row in bounced if row["bounced_at"]),
        "failed_temporarily": count(
            row
            for row in bounced + deferred
            if not row["bounced_at"] and not row["is_delivered"]
        ),
        "open_events": sum(row["open_events"] for row in rows),
        "click_events": sum(row["click_events"] for row in rows),
    }
    for name, column in REACHED.items():
        counts[name] = count(row for row in rows if row[column])
        counts[f"delivered_{name}"] = count(row for row in delivered if row[column])
    return counts


def _with_rates(counts: Row) -> Row:
    rates = {
        "delivery_rate": ("delivered", "attempted"),
        "open_rate": ("delivered_opened", "delivered"),
        "human_open_rate": ("delivered_opened_by_human", "delivered"),
        "click_rate": ("delivered_clicked", "delivered"),
        "click_to_open_rate": ("delivered_clicked", "delivered_opened"),
        "complaint_rate": ("delivered_complained", "delivered"),
        "unsubscribe_rate": ("delivered_unsubscribed", "delivered"),
    }
    return counts | {
        rate: counts[part] / counts[whole] if counts[whole] else None
        for rate, (part, whole) in rates.items()
    }
