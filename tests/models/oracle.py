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

import duckdb

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]
"""Rows by their grain."""

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
EMAIL_ID_VARIABLES = '["email-id", "email_id"]'
ENGAGEMENT = ("opened", "clicked", "unsubscribed", "complained")
STAGES = ("deferred", "bounced", "delivered")
"""Stages of life that decide the delivery status, the later ones last."""


def seed(name: str) -> list[Row]:
    """The rows of a seed; an empty cell is None."""
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return [
            {column: value or None for column, value in row.items()}
            for row in csv.DictReader(lines)
        ]


@dataclass(frozen=True)
class Event:
    """A row of `raw.mailgun_events`.

    Attributes:
        payload: Mailgun's JSON; None if it can't be parsed.
        loaded_at: When its load committed.
    """

    event_key: str
    domain: str
    event_id: str
    name: str
    occurred_at: datetime
    received_at: datetime
    payload: Mapping[str, Any] | None
    loaded_at: datetime


@dataclass
class Known:
    """Everything that is known when a build begins.

    Attributes:
        events: Events of committed loads.
        accounts, emails, email_batches, email_recipients, members, notifications,
            reporting_events: The application's rows.
        settings: Mailgun's settings by name, as text.
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
    normalised = [_normalise(event, known) for event in known.events]
    book = _application(known) if known.has_application else _derived(normalised, known)
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
    domains = json.loads(known.settings.get("domains", "[]"))
    return dict.fromkeys(domains, known.settings.get("timezone", "UTC"))


@cache
def recipient_key(address: str) -> str:
    """An address lower-cased as the warehouse does it, which Python doesn't ('İ')."""
    found = duckdb.execute("select lower(trim(?))", [address]).fetchone()
    return str(found[0]) if found else ""


@cache
def zone(name: str) -> ZoneInfo | None:
    """An IANA zone of the tzdata package by its exact name; None if there is none."""
    package = resources.files("tzdata")
    if name not in package.joinpath("zones").read_text("utf-8").split():
        return None
    file = package.joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as data:
        return ZoneInfo.from_file(data)


# Normalising, as PROVIDERS.md says


def _normalise(event: Event, known: Known) -> Row:
    """A Mailgun event in our words."""
    get = _getter(event.payload)
    name = _first_row(event.name, get, known.vocabulary)
    event_type = name["event_type"] if name else "unknown"
    code = _integer(get("delivery-status", "code"))
    enhanced = get("delivery-status", "enhanced-code")
    recipient = (
        get("recipient")
        or get("message", "recipients", 0)
        or _first_address(get("message", "headers", "to"))
    )
    text = (
        get("delivery-status", "message")
        or get("delivery-status", "description")
        or get("reject", "reason")
    )
    bot = get("client-info", "bot", empty=True)
    read = event_type in ("opened", "clicked")
    own_ip, sending_ip = get("ip"), get("envelope", "sending-ip")
    return {
        "event_key": event.event_key,
        "provider": "mailgun",
        "domain": event.domain,
        "provider_event_name": event.name,
        "event_type": event_type,
        "severity": name and name["severity"],
        "reject_reason": name and name["reject_reason"],
        "bounce_class": (
            _bounce_class(enhanced, code, known.bounce_classes)
            if event_type == "bounced"
            else None
        ),
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "loaded_at": event.loaded_at,
        "recipient": recipient,
        "recipient_key": recipient and recipient_key(recipient),
        "message_id": _message_id(get("message", "headers", "message-id")),
        "provider_message_id": None,
        "event_id": event.event_id,
        "given_email_id": _given_email_id(get, known.settings),
        "is_machine": bot != "" if read and bot is not None else None,
        "machine_kind": (bot or None) if read else None,
        "url": get("url"),
        "smtp_code": code,
        "enhanced_code": enhanced,
        "mta_response": text and text[:2000],
        "attempt": _integer(get("delivery-status", "attempt-no")),
        "user_agent": get("client-info", "user-agent"),
        "ip": own_ip or sending_ip,
        "ip_is_sender": own_ip is None and sending_ip is not None,
        "tags": (event.payload or {}).get("tags"),
        "user_variables": (event.payload or {}).get("user-variables"),
        "counts_in_delivery": name is not None and name["counts_in_delivery"] == "true",
        "subject": get("message", "headers", "subject"),
    }


def _getter(payload: Mapping[str, Any] | None) -> Callable[..., str | None]:
    """Looks values up in a body; an empty text is None unless it is asked for."""

    def get(*path: str | int, empty: bool = False) -> str | None:
        value: Any = payload
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        if value is None or (value == "" and not empty):
            return None
        return str(value)

    return get


def _first_row(
    name: str, get: Callable[..., str | None], vocabulary: Iterable[Row]
) -> Row | None:
    """The row of the vocabulary that names an event: reason, severity, bare name."""
    rows = {
        row["condition"]: row
        for row in vocabulary
        if (row["provider"], row["provider_event_name"]) == ("mailgun", name)
    }
    for condition in (f"reason={get('reason')}", f"severity={get('severity')}", None):
        if condition in rows:
            return rows[condition]
    return None


def _bounce_class(enhanced: str | None, code: int | None, rows: Iterable[Row]) -> str:
    """The class of a bounce: by the enhanced code, its family, the SMTP code."""
    classes = {row["code"]: row["bounce_class"] for row in rows}
    family = ".".join((enhanced or "").split(".")[:2])
    for known_by in (enhanced, family, str(code)):
        if known_by in classes:
            return str(classes[known_by])
    return "Unclassified"


def _given_email_id(
    get: Callable[..., str | None], settings: Mapping[str, str]
) -> str | None:
    names = json.loads(settings.get("email_id_variables", EMAIL_ID_VARIABLES))
    given = (get("user-variables", name) for name in names)
    return next((value for value in given if value is not None), None)


def _message_id(text: str | None) -> str | None:
    """Without angle brackets, case kept."""
    return (text or "").strip(" ").strip("<>") or None


def _first_address(header: str | None) -> str | None:
    """The address in angle brackets, else the bare one; none of ours has two."""
    bare = (header or "").partition("<")[2].partition(">")[0] or header
    return bare if bare and "@" in bare else None


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


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
    """

    emails: dict[str, Row]
    recipients: dict[tuple[str, str], Row]
    links: dict[str, str]
    zones: dict[str, str | None]
    of_domain: dict[str, str]


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
            "message_id": _message_id(row["message_id"]),
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
    recipients: dict[tuple[str, str], Row] = {}
    for event in sorted(events, key=lambda row: (row["occurred_at"], row["event_key"])):
        email_id = event["given_email_id"] or event["message_id"]
        if event["event_type"] != "queued" or not email_id or not event["recipient"]:
            continue
        recipients.setdefault(
            (email_id, event["recipient_key"]),
            {
                "email_id": email_id,
                "recipient": event["recipient"],
                "recipient_key": event["recipient_key"],
                "member_id": None,
                "message_id": event["message_id"],
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
            "account_id": min(row["account_id"] for row in sent),
            "notification_id": None,
            "newsletter_id": None,
            "subject": min(
                (row["subject"] for row in sent if row["subject"]), default=None
            ),
            "submitted_at": min(row["sent_at"] for row in sent),
            "track_opens": None,
            "is_deleted": False,
        }
    domains = json.loads(known.settings.get("domains", "[]"))
    return _Book(
        emails=emails,
        recipients=recipients,
        links=_links(
            (row["message_id"], row["email_id"]) for row in recipients.values()
        ),
        zones=zones_of(known),
        of_domain={domain: domain for domain in domains},
    )


def _links(pairs: Iterable[tuple[str | None, str]]) -> dict[str, str]:
    """Email by message id; an id that stands for two is the first one's by name."""
    links: dict[str, str] = {}
    for text, email_id in pairs:
        message_id = _message_id(text)
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
    given, message_id = event["given_email_id"], event["message_id"]
    email_id = method = None
    if given:
        if given in book.emails:
            email_id, method = given, "email_id"
    elif message_id in book.links:
        email_id, method = book.links[message_id], "message_id"
    email = book.emails.get(email_id or "", {})
    recipient = book.recipients.get((email_id or "", event["recipient_key"] or ""))
    if recipient:
        reason = None
    elif email_id:
        reason = "unknown_recipient"
    else:
        reason = "unknown_email" if given or message_id else "no_id"
    scope = None
    if event["event_type"] in ("unsubscribed", "subscribed"):
        newsletter = email.get("newsletter_id")
        scope = f"newsletter:{newsletter}" if newsletter else "all"
    matched = {column: value for column, value in event.items() if column != "subject"}
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
        "provider": "mailgun" if events else None,
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
            row["failure_severity"] == "permanent" for row in by_status["bounced"]
        ),
        "failed_temporarily": sum(
            row["failure_severity"] == "temporary" and not row["is_delivered"]
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
