"""Requests as providers send them, and an inbox that holds them."""

import json
from pathlib import Path
from typing import Any

import pytest

from inbox import Record, Writer, new_request_id

NOON = 1_772_366_400
"""2026-03-01T12:00:00Z"""

SECOND = 1_000_000


def received(
    home: Path, source: str, *bodies: bytes, domain: str = "", at: int = NOON
) -> list[str]:
    """Puts requests into the inbox, a second apart, and closes their segment.

    Returns:
        Their ids.
    """
    writer = Writer(home / "inbox")
    records = [
        Record(new_request_id(when), source, domain, when, body)
        for when, body in (
            ((at + n) * SECOND + 123_456, body) for n, body in enumerate(bodies)
        )
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inbox.writer.time_ns", lambda: at * SECOND * 1_000)
        writer.append(records)
    writer.close()
    return [record.request_id for record in records]


def compact(value: Any) -> bytes:
    """A value as senders write it."""
    return json.dumps(value, separators=(",", ":")).encode()


def sent(event_id: str, at: int = NOON, **more: Any) -> dict[str, Any]:
    """An event of SendGrid's."""
    return {
        "email": "zoe@example.com",
        "timestamp": at,
        "event": "delivered",
        "sg_event_id": event_id,
        "sg_message_id": "m1.recvd-5f",
        **more,
    }


def mailed(event_id: str, at: float = NOON, **more: Any) -> dict[str, Any]:
    """An event of Mailgun's, as the API and its webhook have it."""
    return {
        "event": "delivered",
        "id": event_id,
        "timestamp": at,
        "recipient": "zoe@example.com",
        "message": {"headers": {"message-id": "1.2@d.example"}},
        **more,
    }


def enveloped(event: dict[str, Any]) -> bytes:
    """A body of Mailgun's webhook."""
    signature = {"timestamp": str(NOON), "token": "t", "signature": "s"}
    return compact({"signature": signature, "event-data": event})


def marked(
    name: str = "Delivery", at: str = "DeliveredAt", **more: Any
) -> dict[str, Any]:
    """An event of Postmark's."""
    return {
        "RecordType": name,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Recipient": "zoe@example.com",
        at: "2026-03-01T12:00:00.1234567Z",
        **more,
    }
