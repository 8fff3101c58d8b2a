"""The application's database as Arrow tables, with the warehouse's column names.

`updated_at` is when the application wrote the row; `deleted_at` is null throughout.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from simulator.cast import Cast
from simulator.conversations import converse
from simulator.spec import Spec

_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")
_FLAG = pa.bool_()
_NUMBER = pa.float64()

_COLUMNS: dict[str, dict[str, Any]] = {
    "accounts": {
        "account_id": _TEXT,
        "name": _TEXT,
        "reporting_timezone": _TEXT,
        "week_start": _TEXT,
        "sending_domain": _TEXT,
    },
    "emails": {
        "email_id": _TEXT,
        "account_id": _TEXT,
        "notification_id": _TEXT,
        "subject": _TEXT,
        "newsletter_id": _TEXT,
        "track_opens": _FLAG,
        "submitted_at": _TIME,
    },
    "email_batches": {"provider_message_id": _TEXT, "email_id": _TEXT},
    "email_recipients": {
        "email_id": _TEXT,
        "member_id": _TEXT,
        "member_email": _TEXT,
        "message_id": _TEXT,
        "sent_at": _TIME,
    },
    "members": {
        "member_id": _TEXT,
        "account_id": _TEXT,
        "email": _TEXT,
        "created_at": _TIME,
    },
    "notifications": {
        "notification_id": _TEXT,
        "account_id": _TEXT,
        "kind": _TEXT,
        "created_at": _TIME,
    },
    "reporting_events": {
        "event_id": _TEXT,
        "account_id": _TEXT,
        "name": _TEXT,
        "value": _NUMBER,
        "value_in_business_hours": _NUMBER,
        "user_id": _TEXT,
        "inbox_id": _TEXT,
        "conversation_id": _TEXT,
        "created_at": _TIME,
    },
}


def tables(cast: Cast, spec: Spec) -> dict[str, pa.Table]:
    """Every table of the application's database.

    Args:
        cast: Who is there and what was sent.
        spec: The world's recipe.

    Returns:
        Table by name; times are `timestamp[us, tz=UTC]`.
    """
    rows: dict[str, Iterable[tuple[Any, ...]]] = {
        "accounts": (
            (
                account.account_id,
                account.name,
                account.timezone,
                account.week_start,
                account.domain,
                account.created_at,
            )
            for account in cast.accounts
        ),
        "emails": (
            (
                email.email_id,
                email.account.account_id,
                email.notification and email.notification.notification_id,
                email.subject,
                email.newsletter_id,
                email.track_opens,
                email.submitted_at,
                email.submitted_at,
            )
            for email in cast.emails
        ),
        "email_batches": (
            (batch.provider_message_id, batch.email.email_id, batch.email.submitted_at)
            for batch in cast.batches
        ),
        "email_recipients": (
            (
                recipient.email.email_id,
                recipient.member.member_id,
                recipient.member.address,
                None if recipient.email.is_batched else recipient.message_id,
                recipient.sent_at,
                recipient.known_at,
            )
            for recipient in cast.recipients
        ),
        "members": (
            (
                member.member_id,
                member.account.account_id,
                member.address,
                member.created_at,
                member.created_at,
            )
            for member in cast.members
        ),
        "notifications": (
            (
                notification.notification_id,
                notification.account.account_id,
                notification.kind,
                notification.created_at,
                notification.created_at,
            )
            for notification in cast.notifications
        ),
        "reporting_events": (
            (
                event.event_id,
                event.account_id,
                event.name,
                event.value,
                event.value_in_business_hours,
                event.user_id,
                event.inbox_id,
                event.conversation_id,
                event.created_at,
                event.created_at,
            )
            for account in cast.accounts
            for event in converse(account, spec)
        ),
    }
    return {name: _table(_COLUMNS[name], rows[name]) for name in _COLUMNS}


def _table(columns: dict[str, Any], rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """A table of these columns and `updated_at`, the last value of each row."""
    schema = pa.schema({**columns, "updated_at": _TIME})
    by_column = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [
        pa.array(values, type=field.type)
        for values, field in zip(by_column, schema, strict=True)
    ]
    table = pa.table(arrays, schema=schema)
    return table.append_column("deleted_at", pa.nulls(len(table), _TIME))
