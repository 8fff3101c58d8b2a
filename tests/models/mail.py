"""A little mail that was sent and reported, and what tests add to it."""

from datetime import UTC, datetime
from typing import Any

from warehouse import Warehouse
from worlds import DOMAINS, at

Row = dict[str, Any]

NOON = at("2025-11-02T12:00:00")
ONE, TWO = DOMAINS

APPLICATION: dict[str, list[Row]] = {
    "accounts": [
        {
            "account_id": "acme",
            "reporting_timezone": "America/New_York",
            "sending_domain": ONE,
        },
        {
            "account_id": "bolt",
            "reporting_timezone": "Asia/Kathmandu",
            "sending_domain": TWO,
        },
    ],
    "emails": [
        {"email_id": "e1", "account_id": "acme", "newsletter_id": "weekly"},
        {"email_id": "e2", "account_id": "bolt"},
    ],
    "email_recipients": [
        {"email_id": "e1", "member_email": "ann@x.example", "member_id": "ann"},
        {"email_id": "e1", "member_email": "bo@x.example", "message_id": "m-bo"},
        {"email_id": "e2", "member_email": "cy@y.example", "message_id": "m-cy"},
    ],
}


def event(
    name: str,
    occurred_at: datetime | str = NOON,
    *,
    email: str | None = "e1",
    recipient: str = "ann@x.example",
    domain: str = ONE,
    message_id: str | None = None,
    received_at: datetime | None = None,
    **body: Any,
) -> Row:
    """An event as it lies in raw; by default of the first email to Ann.

    Args:
        name: Mailgun's name of it.
        occurred_at: When; as text, a time on the day of `NOON` or an ISO instant.
        email: The application's own id in the event, if there is one.
        recipient: Whose.
        domain: Sending domain.
        message_id: Message-ID, if there is one.
        received_at: When it reached us; as it happened, if None.
        **body: Further members of Mailgun's JSON, `_` for `-`.
    """
    if isinstance(occurred_at, str):
        is_time = "T" not in occurred_at
        occurred_at = at(f"2025-11-02T{occurred_at}" if is_time else occurred_at)
    payload: Row = {"recipient": recipient}
    if email:
        payload["user-variables"] = {"email-id": email}
    if message_id:
        payload["message"] = {"headers": {"message-id": message_id}}
    payload |= {key.replace("_", "-"): value for key, value in body.items()}
    event_id = f"{name}/{email}/{recipient}/{occurred_at.timestamp():f}/{message_id}"
    return {
        "event_key": f"{domain}:{occurred_at.astimezone(UTC):%Y-%m-%d}:{event_id}",
        "domain": domain,
        "event_id": event_id,
        "event_name": name,
        "occurred_at": occurred_at,
        "received_at": received_at or occurred_at,
        "payload": payload,
    }


def failed(
    occurred_at: datetime | str, severity: str = "permanent", **more: Any
) -> Row:
    """A failure."""
    return event("failed", occurred_at, severity=severity, **more)


EVENTS = [
    event("accepted", "12:00:00"),
    event("delivered", "12:00:05"),
    event("accepted", "12:00:00", recipient="bo@x.example"),
    event("accepted", "12:00:01", email="e2", recipient="cy@y.example", domain=TWO),
    event("delivered", "12:00:06", email="e2", recipient="cy@y.example", domain=TWO),
    event("delivered", "12:00:07", email="e3", recipient="di@x.example"),
    event("opened", "2025-11-01T12:00:00", email="e3", recipient="di@x.example"),
]
"""What was reported of it; the third email is not written down yet."""


def status(warehouse: Warehouse, recipient: str = "ann@x.example") -> Row:
    """The row of `fct_recipient_status` of a recipient who got one email."""
    (row,) = (
        row
        for row in warehouse.mart("fct_recipient_status")
        if row["recipient"] == recipient
    )
    return row


def days(warehouse: Warehouse, account_id: str) -> dict[tuple[str, str], int]:
    """The events of an account by local date and type."""
    return {
        (str(row["date"]), row["event_type"]): row["events"]
        for row in warehouse.mart("fct_delivery_daily")
        if row["account_id"] == account_id
    }
