"""What the marts must hold, worked out in plain Python from SEMANTICS.md alone.

    events, application, settings ──▶ normalised ──▶ matched ──▶ recipients ──▶ emails
                                                        └──▶ unmatched, days

Nothing here looks at the SQL, and everything is computed from scratch: no order of
arrival, nothing incremental. It is slow and short on purpose.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from importlib import resources
from math import isclose
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from provider_oracle import Event, bare_id, normalise, recipient_key

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]
"""Rows by their grain."""

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
ENGAGEMENT = ("opened", "clicked", "unsubscribed", "complained")
SOURCES = ("mailgun", "postmark", "sendgrid")
STAGES = ("deferred", "bounced", "delivered")
"""Stages of life that decide the delivery status, the later ones last."""


def seed(name: str) -> list[Row]:
    """The rows of a seed; an empty cell is None."""
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return [
            {column: value or None for column, value in row.items()}
            for row in csv.DictReader(lines)
        ]


@dataclass
class Known:
    """Everything that is known when a build begins.

    Attributes:
        events: Events of committed loads.
        accounts, emails, email_batches, email_recipients, members, notifications,
            reporting_events: The application's rows.
        settings: Settings by name, as text; by `<source>.<name>` if not of Mailgun.
        years: UTC years whose local days are loaded.
        vocabulary: Rows of the seed `event_vocabulary`.
        bounce_classes: Rows of the seed `bounce_classes`.
    """

    events: list[Event] = field(default_factory=list)
    accounts: list[Row] = field(default_factory=list)
    emails: list[Row] = field(default_factory=list)
    email_batches: list[Row] = field(default_factory=list)
    email_recipients: list[Row] = field(default_factory=list)
    members: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    reporting_events: list[Row] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    years: set[int] = field(default_factory=set)
    vocabulary: list[Row] = field(default_factory=lambda: seed("event_vocabulary"))
    bounce_classes: list[Row] = field(default_factory=lambda: seed("bounce_classes"))

    @property
    def has_application(self) -> bool:
        """Whether there is an application's database to match with."""
        return bool(self.accounts or self.emails or self.email_recipients)


def marts(known: Known) -> dict[str, Rows]:
    """What each mart must hold.

    Args:
        known: What was loaded.

    Returns:
        By mart: its rows by grain. `tags` and `user_variables` are values, not text.
    """
    normalised = [
        normalise(event, known.vocabulary, known.bounce_classes, known.settings)
        for event in known.events
    ]
    book = _application(known) if known.has_application else _derived(normalised, known)
    book.learn(normalised)
    events = [_match(event, book) for event in normalised]
    recipients = _recipient_status(events, book)
    return {
        "fct_message_events": {(row["event_key"],): row for row in events},
        "fct_recipient_status": recipients,
        "fct_unmatched_events": _unmatched(events),
        "fct_email_performance": _email_performance(recipients, book),
        "fct_delivery_daily": _delivery_daily(events, book, known.years),
    }


def zones_of(known: Known) -> dict[str, str | None]:
    """The zone of each account, as it is written; its name may be nonsense."""
    if known.has_application:
        return {row["account_id"]: row["reporting_timezone"] for row in known.accounts}
    return _zones(known.settings)


@cache
def zone(name: str) -> ZoneInfo | None:
    """An IANA zone of the tzdata package by its exact name; None if there is none."""
    package = resources.files("tzdata")
    if name not in package.joinpath("zones").read_text("utf-8").split():
        return None
    file = package.joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as data:
        return ZoneInfo.from_file(data)


# Matching: section 2


@dataclass
class _Book:
    """What was sent, to whom, by whom.

    Attributes:
        emails: By id.
        recipients: By email id and recipient key.
        links: The email that a message id stands for.
        zones: The zone of each account; its name may be nonsense.
        of_domain: The only account that sends from a domain.
        learned: The email that an id stands for by the other id of its message.
        told: The email of each event by its key, where the events tell of it
            themselves; None with an application.
    """

    emails: dict[str, Row]
    recipients: dict[tuple[str, str], Row]
    links: dict[str, str]
    zones: dict[str, str | None]
    of_domain: dict[str, str]
    learned: dict[str, str] = field(default_factory=dict)
    told: dict[str, str | None] | None = None

    def learn(self, events: Iterable[Row]) -> None:
        """Learns which two ids are one message's, from all events at once."""
        pairs = {
            (event["message_id"], event["provider_message_id"]) for event in events
        }
        both = [pair for pair in pairs if all(pair)]
        for one, other in [*both, *((other, one) for one, other in both)]:
            if email_id := self.links.get(one):
                self.learned[other] = min(email_id, self.learned.get(other, email_id))


def _application(known: Known) -> _Book:
    """What the application says. Deleted rows stay, flagged."""
    emails = {
        row["email_id"]: {**row, "is_deleted": row["deleted_at"] is not None}
        for row in known.emails
    }
    # Of two rows that differ in capitals, the one that is left and was changed last.
    by_age = sorted(known.email_recipients, key=lambda row: str(row["member_email"]))
    by_age.sort(key=lambda row: row["updated_at"], reverse=True)
    by_age.sort(key=lambda row: row["deleted_at"] is not None)
    recipients: dict[tuple[str, str], Row] = {}
    for row in by_age:
        recipient = {
            "email_id": row["email_id"],
            "recipient": row["member_email"],
            "recipient_key": recipient_key(row["member_email"]),
            "member_id": row["member_id"],
            "message_id": bare_id(row["message_id"]),
            "sent_at": row["sent_at"],
            "is_deleted": row["deleted_at"] is not None,
        }
        recipients.setdefault(
            (recipient["email_id"], recipient["recipient_key"]), recipient
        )
    return _Book(
        emails=emails,
        recipients=recipients,
        links=_links(
            [
                *((row["message_id"], row["email_id"]) for row in by_age),
                *(
                    (row["provider_message_id"], row["email_id"])
                    for row in known.email_batches
                ),
            ]
        ),
        zones=zones_of(known),
        of_domain=_of_domain(
            (row["sending_domain"], row["account_id"]) for row in known.accounts
        ),
    )


def _derived(events: Iterable[Row], known: Known) -> _Book:
    """What accepted events say where there is no application."""
    events = sorted(events, key=lambda row: (row["occurred_at"], row["event_key"]))
    messages = _messages(events)
    told = _told(events, messages)
    recipients: dict[tuple[str, str], Row] = {}
    for event in events:
        message_id = event["message_id"] or messages[event["event_key"]]
        email_id = told[event["event_key"]]
        if not (event["says_sent"] and email_id and event["recipient"]):
            continue
        recipients.setdefault(
            (email_id, event["recipient_key"]),
            {
                "email_id": email_id,
                "recipient": event["recipient"],
                "recipient_key": event["recipient_key"],
                "member_id": None,
                "message_id": message_id,
                "sent_at": event["occurred_at"],
                "is_deleted": False,
                "account_id": event["domain"],
                "subject": event["subject"],
            },
        )
    emails: dict[str, Row] = {}
    for email_id in {email_id for email_id, _ in recipients}:
        sent = [row for row in recipients.values() if row["email_id"] == email_id]
        emails[email_id] = {
            "email_id": email_id,
            "account_id": min(
                (row["account_id"] for row in sent if row["account_id"]), default=None
            ),
            "notification_id": None,
            "newsletter_id": None,
            "subject": min(
                (row["subject"] for row in sent if row["subject"]), default=None
            ),
            "submitted_at": min(row["sent_at"] for row in sent),
            "track_opens": None,
            "is_deleted": False,
        }
    zones = zones_of(known)
    return _Book(
        emails=emails,
        recipients=recipients,
        links={},
        zones=zones,
        of_domain={domain: domain for domain in zones},
        told=told,
    )


def _messages(events: Sequence[Row]) -> dict[str, str | None]:
    """The message of each event: the first of all Message-IDs that go with its ids.

    Ids go together that one event has both of, and what goes together with either;
    a message that no event gives a Message-ID has its provider's id.
    """
    of_id: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def ids(event: Row) -> list[tuple[str, str]]:
        kinds = ("message_id", "provider_message_id")
        return [(kind, event[kind]) for kind in kinds if event[kind]]

    for event in events:
        together = set().union(*(of_id.get(one, {one}) for one in ids(event)))
        of_id |= dict.fromkeys(together, together)
    # Of all ids the Message-IDs sort first, by their kind.
    return {
        event["event_key"]: min(of_id[ids(event)[0]])[1] if ids(event) else None
        for event in events
    }


def _told(
    events: Sequence[Row], messages: Mapping[str, str | None]
) -> dict[str, str | None]:
    """The email of each event: its own id, its message's first one, or the message."""
    given: dict[str, str] = {}
    for event in events:
        message, email_id = messages[event["event_key"]], event["given_email_id"]
        if message and email_id:
            given[message] = min(email_id, given.get(message, email_id))
    return {
        key: event["given_email_id"] or given.get(messages[key] or "") or messages[key]
        for event in events
        for key in [event["event_key"]]
    }


def _zones(settings: Mapping[str, str]) -> dict[str, str | None]:
    """The zone of each sending domain: the first that one of its providers has."""
    found: dict[str, str | None] = {}
    for source in SOURCES:
        prefix = "" if source == "mailgun" else f"{source}."
        for domain in json.loads(settings.get(f"{prefix}domains", "[]")):
            named = settings.get(f"{prefix}timezone")
            found[domain] = found.get(domain) or named
    return {domain: named or "UTC" for domain, named in found.items()}


def _links(pairs: Iterable[tuple[str | None, str]]) -> dict[str, str]:
    """Email by message id; an id that stands for two is the first one's by name."""
    links: dict[str, str] = {}
    for text, email_id in pairs:
        message_id = bare_id(text)
        if message_id:
            links[message_id] = min(email_id, links.get(message_id, email_id))
    return links


def _of_domain(pairs: Iterable[tuple[str | None, str]]) -> dict[str, str]:
    """The only account that sends from a domain."""
    accounts: dict[str, set[str]] = defaultdict(set)
    for domain, account_id in pairs:
        if domain:
            accounts[domain.strip(" ").lower()].add(account_id)
    return {
        domain: min(owners) for domain, owners in accounts.items() if len(owners) == 1
    }


def _match(event: Row, book: _Book) -> Row:
    """The email, the recipient and the account that an event belongs to."""
    given = event["given_email_id"]
    message, provider = event["message_id"], event["provider_message_id"]
    email_id = method = None
    if book.told is not None:
        email_id = book.told[event["event_key"]]
        email_id = email_id if email_id in book.emails else None
        own = "message_id" if message else "provider_message_id"
        method = email_id and ("email_id" if given else own)
    elif given:
        if given in book.emails:
            email_id, method = given, "email_id"
    elif message in book.links:
        email_id, method = book.links[message], "message_id"
    elif provider in book.links:
        email_id, method = book.links[provider], "provider_message_id"
    elif provider in book.learned:
        email_id, method = book.learned[provider], "provider_message_id"
    elif message in book.learned and not provider:
        email_id, method = book.learned[message], "message_id"
    email = book.emails.get(email_id or "", {})
    recipient = book.recipients.get((email_id or "", event["recipient_key"] or ""))
    if recipient:
        reason = None
    elif email_id:
        reason = "unknown_recipient"
    else:
        reason = "unknown_email" if given or message or provider else "no_id"
    scope = None
    if event["event_type"] in ("unsubscribed", "subscribed"):
        newsletter = email.get("newsletter_id")
        scope = event["says_scope"] or (
            f"newsletter:{newsletter}" if newsletter else "all"
        )
    matched = {
        column: value
        for column, value in event.items()
        if column not in ("subject", "says_scope", "says_sent")
    }
    return {
        **matched,
        "account_id": email.get("account_id") or book.of_domain.get(event["domain"]),
        "email_id": email_id,
        "member_id": recipient["member_id"] if recipient else None,
        "match_method": method,
        "unmatched_reason": reason,
        "scope": scope,
    }


def _unmatched(events: Iterable[Row]) -> Rows:
    """Events of mail sent that belong to no known email or recipient."""
    columns = [
        "event_key",
        "provider",
        "account_id",
        "domain",
        "provider_event_name",
        "event_type",
        "occurred_at",
        "received_at",
        "recipient",
        "recipient_key",
        "given_email_id",
        "message_id",
        "provider_message_id",
        "email_id",
    ]
    return {
        (event["event_key"],): {
            "reason": event["unmatched_reason"],
            **{column: event[column] for column in columns},
        }
        for event in events
        if event["unmatched_reason"] and event["event_type"] != "inbound"
    }


# Recipient status: section 3


def _recipient_status(events: Iterable[Row], book: _Book) -> Rows:
    by_recipient: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for event in events:
        if event["unmatched_reason"] is None:
            by_recipient[event["email_id"], event["recipient_key"]].append(event)
    return {
        grain: _status(recipient, book.emails.get(grain[0], {}), by_recipient[grain])
        for grain, recipient in book.recipients.items()
    }


def _status(recipient: Row, email: Row, events: Sequence[Row]) -> Row:
    """What became of one message to one recipient."""

    def times(*types: str, **where: object) -> list[datetime]:
        return sorted(
            event["occurred_at"]
            for event in events
            if event["event_type"] in types
            and all(event[column] == value for column, value in where.items())
        )

    def first(*types: str, **where: object) -> datetime | None:
        return next(iter(times(*types, **where)), None)

    opens = times("opened")
    delivery_status, changed_at = _delivery(recipient, events, first)
    engagement = [kind for kind in ENGAGEMENT if times(kind)]
    failure = _failure(events)
    human = [
        event["occurred_at"]
        for event in events
        if event["event_type"] == "opened" and event["is_machine"] is not True
    ]
    message_ids = [event["message_id"] for event in events if event["message_id"]]
    return {
        "email_id": recipient["email_id"],
        "member_id": recipient["member_id"],
        "notification_id": email.get("notification_id"),
        "account_id": email.get("account_id"),
        "provider": max((event["provider"] for event in events), default=None),
        "recipient": recipient["recipient"],
        "recipient_key": recipient["recipient_key"],
        "message_id": recipient["message_id"] or min(message_ids, default=None),
        "sent_at": recipient["sent_at"],
        "queued_at": first("queued"),
        "delivered_at": first("delivered"),
        "first_opened_at": first("opened"),
        "first_human_opened_at": min(human, default=None),
        "last_opened_at": opens[-1] if opens else None,
        "first_clicked_at": first("clicked"),
        "last_engaged_at": max(
            [
                *human,
                *times("clicked", is_machine=False),
                *times("clicked", is_machine=None),
            ],
            default=None,
        ),
        "bounced_at": first("bounced", severity="permanent"),
        "failed_at": first("bounced", "rejected", severity="permanent"),
        "complained_at": first("complained"),
        "unsubscribed_at": first("unsubscribed"),
        "open_events": len(opens),
        "click_events": len(times("clicked")),
        "deferrals": len(times("deferred")),
        "delivery_status": delivery_status,
        "engagement_status": engagement[-1] if engagement else "none",
        "is_delivered": delivery_status not in ("bounced", "rejected")
        and bool(times("delivered", "opened", "clicked", "complained")),
        "failure_severity": failure.get("severity"),
        "failure_code": failure.get("smtp_code"),
        "failure_enhanced_code": failure.get("enhanced_code"),
        "failure_message": _failure_message(failure),
        "failure_event_key": failure.get("event_key"),
        "reject_reason": failure.get("reject_reason"),
        "bounce_class": failure.get("bounce_class"),
        "status_changed_at": changed_at,
        "is_deleted": recipient["is_deleted"] or email.get("is_deleted", False),
    }


def _delivery(
    recipient: Row,
    events: Sequence[Row],
    first: Callable[..., datetime | None],
) -> tuple[str, datetime | None]:
    """The delivery status, and when the event that decides it happened."""
    if bounced_at := first("bounced", severity="permanent"):
        return "bounced", bounced_at
    if (rejected_at := first("rejected")) and not first("delivered", "bounced"):
        return "rejected", rejected_at
    tried = [event for event in events if event["event_type"] in STAGES]
    if tried:
        last = max(
            tried,
            key=lambda event: (
                event["occurred_at"],
                STAGES.index(event["event_type"]),
            ),
        )
        return last["event_type"], last["occurred_at"]
    if queued_at := first("queued"):
        return "queued", queued_at
    return "sent", recipient["sent_at"]


def _failure(events: Iterable[Row]) -> Row:
    """The event that tells of the failure: first permanent, else newest temporary."""
    failures = sorted(
        (
            event
            for event in events
            if event["event_type"] in ("bounced", "rejected", "deferred")
        ),
        key=lambda row: (row["occurred_at"], row["received_at"], row["event_key"]),
    )
    permanent = [event for event in failures if event["severity"] == "permanent"]
    if permanent:
        return permanent[0]
    return failures[-1] if failures else {}


def _failure_message(failure: Row) -> str | None:
    if not failure or failure["mta_response"]:
        return failure.get("mta_response")
    code = failure["enhanced_code"] or failure["smtp_code"]
    return None if code is None else f"Error {code}"


# Emails and days: section 4


def _email_performance(recipients: Rows, book: _Book) -> Rows:
    rows: Rows = {}
    for email_id, email in book.emails.items():
        sent = [row for row in recipients.values() if row["email_id"] == email_id]
        rows[email_id,] = {
            **{
                column: email[column]
                for column in [
                    "email_id",
                    "account_id",
                    "notification_id",
                    "newsletter_id",
                    "subject",
                    "submitted_at",
                    "track_opens",
                    "is_deleted",
                ]
            },
            **_counts(sent),
        }
    return rows


def _counts(sent: Sequence[Row]) -> Row:
    """Counts of recipients and the rates that are made of them."""
    delivered = [row for row in sent if row["is_delivered"]]
    by_status: dict[str, list[Row]] = defaultdict(list)
    for row in sent:
        by_status[row["delivery_status"]].append(row)
    reached = {
        "opened": "first_opened_at",
        "opened_by_human": "first_human_opened_at",
        "clicked": "first_clicked_at",
        "complained": "complained_at",
        "unsubscribed": "unsubscribed_at",
    }
    counts: Row = {
        "sent": len(sent),
        "attempted": len(sent) - len(by_status["rejected"]),
        "delivered": len(delivered),
        "delivered_reported": sum(row["delivered_at"] is not None for row in sent),
        "rejected": len(by_status["rejected"]),
        "failed_permanently": sum(
            row["bounced_at"] is not None for row in by_status["bounced"]
        ),
        "failed_temporarily": sum(
            row["bounced_at"] is None and not row["is_delivered"]
            for row in by_status["bounced"] + by_status["deferred"]
        ),
        "open_events": sum(row["open_events"] for row in sent),
        "click_events": sum(row["click_events"] for row in sent),
    }
    for name, column in reached.items():
        counts[name] = sum(row[column] is not None for row in sent)
        counts[f"delivered_{name}"] = sum(row[column] is not None for row in delivered)
    for rate, part, whole in (
        ("delivery_rate", "delivered", "attempted"),
        ("open_rate", "delivered_opened", "delivered"),
        ("human_open_rate", "delivered_opened_by_human", "delivered"),
        ("click_rate", "delivered_clicked", "delivered"),
        ("click_to_open_rate", "delivered_clicked", "delivered_opened"),
        ("complaint_rate", "delivered_complained", "delivered"),
        ("unsubscribe_rate", "delivered_unsubscribed", "delivered"),
    ):
        counts[rate] = counts[part] / counts[whole] if counts[whole] else None
    return counts


def _delivery_daily(events: Iterable[Row], book: _Book, years: set[int]) -> Rows:
    cells: dict[tuple[str, date, str], list[Row]] = defaultdict(list)
    for event in events:
        account_id, at = event["account_id"], event["occurred_at"]
        local = zone(book.zones.get(account_id) or "")
        if event["counts_in_delivery"] and local and at.year in years:
            day = at.astimezone(local).date()
            cells[account_id, day, event["event_type"]].append(event)
    return {
        (account_id, day, event_type): {
            "account_id": account_id,
            "date": day,
            "event_type": event_type,
            "events": len(counted),
            "recipients": len({e["recipient_key"] for e in counted} - {None}),
            "reporting_timezone": book.zones[account_id],
        }
        for (account_id, day, event_type), counted in cells.items()
    }


def differences(expected: Mapping[str, Rows], actual: Mapping[str, Rows]) -> list[str]:
    """Every cell in which two sets of marts differ, one line each."""
    found = []
    for mart, rows in expected.items():
        held = actual[mart]
        found += [
            f"{mart} {grain}: missing" for grain in sorted(rows.keys() - held.keys())
        ]
        found += [
            f"{mart} {grain}: too much" for grain in sorted(held.keys() - rows.keys())
        ]
        for grain in sorted(rows.keys() & held.keys()):
            row, other = rows[grain], held[grain]
            found += [
                f"{mart} {grain}: {column} is {other.get(column)!r},"
                f" not {row.get(column)!r}"
                for column in sorted(row.keys() | other.keys())
                if not _is_same(row.get(column), other.get(column))
            ]
    return found


def _is_same(one: object, other: object) -> bool:
    """Whether two cells hold the same; a sum depends on the order it was made in."""
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9)
    return one == other
