"""What each raw table must look like: the contract at the edge, as data.

Names and types are those that DESIGN.md pins; they are stated here a second time on
purpose, so that a table that changed under the models is noticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

TEXT, WHOLE, REAL = "VARCHAR", "BIGINT", "DOUBLE"
INSTANT, DATE, TRUTH = "TIMESTAMP WITH TIME ZONE", "DATE", "BOOLEAN"

EARLIEST = "2000-01-01"
"""No message is older."""


@dataclass(frozen=True)
class Edge:
    """One raw table.

    Attributes:
        columns: Names and types; further ones are no fault.
        key: Columns that identify a row.
        filled: Columns that are never null.
        words: Columns with a vocabulary, and its words.
        not_negative: Columns with no value below 0.
        instants: Columns that lie between 2000 and tomorrow.
        holds: What is true of every row, as SQL, by a name that says it.
        provider: Whose events they are; their names are in the seed.
        happens: The column by which a day's volume is counted.
        rows: Which rows are looked at, as SQL; empty for all.
    """

    columns: Mapping[str, str]
    key: tuple[str, ...]
    filled: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_negative: tuple[str, ...] = ()
    instants: tuple[str, ...] = ()
    holds: Mapping[str, str] = field(default_factory=dict)
    provider: str = ""
    happens: str = ""
    rows: str = ""


def _events(
    provider: str, columns: Mapping[str, str], holds: Mapping[str, str]
) -> Edge:
    """A table of events."""
    named = {
        "event_key": TEXT,
        "event_id": TEXT,
        "event_name": TEXT,
        "occurred_at": INSTANT,
        "received_at": INSTANT,
        "request_id": TEXT,
        "position": WHOLE,
        "payload": TEXT,
        **columns,
    }
    return Edge(
        columns=named,
        key=("event_key",),
        filled=tuple(name for name in named if name not in ("domain", "event_id")),
        not_negative=("position",),
        instants=("occurred_at", "received_at"),
        holds={
            "it happened before it came, by a day at most": (
                "occurred_at < received_at + interval 1 day"
            ),
            "the payload is a JSON object": (
                "try(json_type(payload)) is not distinct from 'OBJECT'"
            ),
            **holds,
        },
        provider=provider,
        happens="occurred_at",
    )


def _app(key: str, columns: Mapping[str, str], **further: object) -> Edge:
    """A table of the application's."""
    named = {**columns, "updated_at": INSTANT, "deleted_at": INSTANT}
    keys = tuple(key.split())
    # The address is another matter: it has a threshold.
    filled = tuple(name for name in keys if name != "member_email")
    return Edge(named, keys, filled, **further)  # type: ignore[arg-type]


def _texts(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), TEXT)


EDGES: Mapping[str, Edge] = {
    "mailgun_events": _events(
        "mailgun",
        _texts("domain lane"),
        {
            "the name is the payload's": (
                "try(json_extract_string(payload, '$.event')) = event_name"
            ),
            "the key is made of domain, UTC day and id": (
                "event_key = concat('mailgun:', domain, ':',"
                " strftime(make_timestamp(epoch_us(occurred_at)), '%Y-%m-%d'),"
                " ':', event_id)"
            ),
        },
    ),
    "sendgrid_events": _events(
        "sendgrid",
        _texts("domain"),
        {
            "the name is the payload's": (
                "try(json_extract_string(payload, '$.event')) = event_name"
            ),
        },
    ),
    "postmark_events": _events("postmark", _texts("domain"), {}),
    "client_events": Edge(
        {
            **_texts("event_key event_name via request_id payload"),
            "occurred_at": INSTANT,
            "received_at": INSTANT,
            "position": WHOLE,
        },
        ("event_key",),
        ("event_key", "event_name", "occurred_at", "received_at", "request_id"),
        words={"via": ("spade", "flume", "beacon")},
        instants=("occurred_at", "received_at"),
        happens="occurred_at",
    ),
    "dead_letters": Edge(
        {
            **_texts("dead_letter_key source reason request_id body"),
            "received_at": INSTANT,
            "position": WHOLE,
        },
        ("dead_letter_key",),
        ("dead_letter_key", "source", "reason", "request_id", "received_at"),
        instants=("received_at",),
    ),
    "requests": Edge(
        {
            **_texts("request_id source lane"),
            "received_at": INSTANT,
            **dict.fromkeys(("events", "loaded", "repeated", "dead"), WHOLE),
        },
        ("request_id",),
        ("request_id", "source", "lane", "received_at"),
        not_negative=("events", "loaded", "repeated", "dead"),
        instants=("received_at",),
        holds={
            "received = loaded + repeated + dead": "events = loaded + repeated + dead",
        },
    ),
    "lane_runs": Edge(
        {
            **_texts("run_id source domain lane outcome message"),
            "began_at": INSTANT,
            "ended_at": INSTANT,
            "window_begin": INSTANT,
            "window_end": INSTANT,
            "cursor": INSTANT,
            "events": WHOLE,
        },
        ("run_id",),
        ("run_id", "source", "lane", "outcome", "began_at", "ended_at"),
        words={
            "lane": ("latest", "missing", "scheduled", "webhook"),
            "outcome": ("ok", "cut_short", "cancelled", "failed"),
        },
        not_negative=("events", "repeats", "dead"),
        holds={
            "it ended after it began": "ended_at >= began_at",
            "its window is no earlier at its end": "window_end >= window_begin",
        },
    ),
    "provider_stats": Edge(
        {
            **_texts("domain event_name"),
            "day": DATE,
            "count": WHOLE,
            "as_of": INSTANT,
        },
        ("domain", "day", "event_name"),
        ("domain", "day", "event_name", "count", "as_of"),
        not_negative=("count",),
    ),
    "time_zone_days": Edge(
        {
            "timezone": TEXT,
            "local_date": DATE,
            "starts_at": INSTANT,
            "ends_at": INSTANT,
        },
        ("timezone", "starts_at"),
        ("timezone", "local_date", "starts_at", "ends_at"),
        holds={
            "a day has an end": "ends_at > starts_at",
            # Antarctica/Troll moves its clocks by two hours.
            "a day has 26 hours at most": "ends_at <= starts_at + interval 26 hour",
        },
        # All zones of all years are half a million rows; those in use are enough.
        rows="timezone in (select timezone from warehouse.intermediate.int_local_days)",
    ),
    "app_accounts": _app(
        "account_id", _texts("account_id name reporting_timezone sending_domain")
    ),
    "app_emails": _app(
        "email_id",
        {
            **_texts("email_id account_id notification_id subject newsletter_id"),
            "track_opens": TRUTH,
            "submitted_at": INSTANT,
        },
    ),
    "app_email_batches": _app(
        "provider_message_id email_id", _texts("provider_message_id email_id")
    ),
    "app_email_recipients": _app(
        "email_id member_email",
        {**_texts("email_id member_id member_email message_id"), "sent_at": INSTANT},
    ),
    "app_members": _app(
        "member_id", {**_texts("member_id account_id email"), "created_at": INSTANT}
    ),
    "app_notifications": _app(
        "notification_id",
        {**_texts("notification_id account_id kind"), "created_at": INSTANT},
    ),
    "app_reporting_events": _app(
        "event_id",
        {
            **_texts("event_id account_id name user_id inbox_id conversation_id"),
            "value": REAL,
            "value_in_business_hours": REAL,
            "created_at": INSTANT,
        },
        not_negative=("value", "value_in_business_hours"),
        happens="created_at",
    ),
}
"""By table of `raw`."""
