"""The application's tables as raw holds them: names, keys, columns, types.

<table> in the application ──▶ raw.app_<table>
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "timestamp", "bool", "double"]
"""A column's type, by dlt's name for it."""

KEPT: Mapping[str, Kind] = {"updated_at": "timestamp", "deleted_at": "timestamp"}
"""The columns that every table ends with."""


class AppError(Exception):
    """The application's tables can't be read; the message says what to do."""


@dataclass(frozen=True)
class Table:
    """One table of the application.

    Attributes:
        name: Its name at the location: a file's stem, or a database table.
        key: The columns that tell its rows apart; never null.
        columns: All columns in raw's order.
        required: Columns that the location must have; the others may be absent and
            are null then.
        time: The column that says when a row began; None if the table has none.
        person: The column that holds a person's address; None if the table has none.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Kind]
    required: frozenset[str]
    time: str | None = None
    person: str | None = None

    @property
    def raw_name(self) -> str:
        """Its name in raw."""
        return f"app_{self.name}"


def _table(
    name: str,
    key: tuple[str, ...],
    columns: Mapping[str, Kind],
    *required: str,
    time: str | None = None,
    person: str | None = None,
) -> Table:
    needed = frozenset({*key, *required})
    return Table(name, key, {**columns, **KEPT}, needed, time, person)


TABLES = (
    _table(
        "accounts",
        ("account_id",),
        {
            "account_id": "text",
            "name": "text",
            "reporting_timezone": "text",
            "week_start": "text",
            "sending_domain": "text",
        },
    ),
    _table(
        "emails",
        ("email_id",),
        {
            "email_id": "text",
            "account_id": "text",
            "notification_id": "text",
            "subject": "text",
            "newsletter_id": "text",
            "track_opens": "bool",
            "submitted_at": "timestamp",
        },
        "account_id",
        time="submitted_at",
    ),
    _table(
        "email_batches",
        ("provider_message_id", "email_id"),
        {"provider_message_id": "text", "email_id": "text"},
    ),
    _table(
        "email_recipients",
        ("email_id", "member_email"),
        {
            "email_id": "text",
            "member_id": "text",
            "member_email": "text",
            "message_id": "text",
            "sent_at": "timestamp",
        },
        time="sent_at",
        person="member_email",
    ),
    _table(
        "members",
        ("member_id",),
        {
            "member_id": "text",
            "account_id": "text",
            "email": "text",
            "created_at": "timestamp",
        },
        "account_id",
        "email",
        time="created_at",
        person="email",
    ),
    _table(
        "notifications",
        ("notification_id",),
        {
            "notification_id": "text",
            "account_id": "text",
            "kind": "text",
            "created_at": "timestamp",
        },
        "account_id",
        time="created_at",
    ),
    _table(
        "reporting_events",
        ("event_id",),
        {
            "event_id": "text",
            "account_id": "text",
            "name": "text",
            "value": "double",
            "value_in_business_hours": "double",
            "user_id": "text",
            "inbox_id": "text",
            "conversation_id": "text",
            "created_at": "timestamp",
        },
        "account_id",
        "name",
        "created_at",
        time="created_at",
    ),
)
