"""Whatever the order in which they arrive, the same events give the same status.

a life ──▶ every permutation of what happens in it, each to a recipient of its own
       ──▶ as many loads as it is long, each built before the next one comes
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from mail import Row
from proof import DELIVERY, assert_as_if_built_whole, build
from warehouse import Warehouse
from worlds import at

BEGIN = at("2025-11-02T12:00:00")
IDENTITY = ("recipient", "recipient_key", "message_id", "failure_event_key")
"""Columns in which recipients differ."""


def second(number: int) -> datetime:
    """So many seconds after a life began."""
    return BEGIN + timedelta(seconds=number)


@dataclass(frozen=True)
class Step:
    """Something that happens in a life.

    Attributes:
        name: The provider's name of the event; "written down", if it is the
            application that writes the recipient's row.
        after: Seconds since the life began.
        body: What is particular to the event's JSON, or to the row. "M" and "P" stand
            for the Message-ID of the recipient's message and the provider's own id.
        provider: Who says so.
    """

    name: str
    after: int
    body: Row
    provider: str


def sendgrid(name: str, after: int, ids: str = "A", **body: Any) -> Step:
    """An event of SendGrid's.

    Args:
        name: Its name.
        after: Seconds since the life began.
        ids: What it carries: (A)rgument with the email, (M)essage-ID, (P)rovider id.
        **body: Further members.
    """
    carried = {
        "A": ("email-id", "A"),
        "M": ("smtp-id", "M"),
        "P": ("sg_message_id", "P"),
    }
    return Step(name, after, {**dict(carried[one] for one in ids), **body}, "sendgrid")


def mailgun(name: str, after: int, **body: Any) -> Step:
    """An event of Mailgun's with the application's id."""
    return Step(name, after, {"user-variables": {"email-id": "A"}, **body}, "mailgun")


def postmark(name: str, after: int, **body: Any) -> Step:
    """An event of Postmark's that carries only Postmark's own id."""
    return Step(name, after, {"MessageID": "P", **body}, "postmark")


def written_down(message_id: str | None = None) -> Step:
    """The application writes that it has sent the message, and with which id."""
    return Step("written down", 0, {"message_id": message_id}, "")


@dataclass(frozen=True)
class Life:
    """What happens to a message, and what becomes of it.

    Attributes:
        steps: Five at most, so at most 120 orders of arrival.
        status: Columns of its row in `fct_recipient_status`.
    """

    steps: tuple[Step, ...]
    status: Row


LIVES = {
    "deferred twice, then delivered and opened": Life(
        (
            sendgrid("processed", 0),
            sendgrid("deferred", 5, attempt="1", response="450 4.2.1 Slow down"),
            sendgrid("deferred", 9, attempt="2", response="451 4.3.0 Later"),
            sendgrid("delivered", 12),
            sendgrid("open", 20, sg_machine_open=True),
        ),
        {
            "delivery_status": "delivered",
            "engagement_status": "opened",
            "deferrals": 2,
            "failure_code": 451,
            "failed_at": None,
            "first_human_opened_at": None,
            "status_changed_at": second(12),
        },
    ),
    "everything in one second": Life(
        (
            sendgrid("processed", 5),
            sendgrid("deferred", 5),
            sendgrid("bounce", 5, type="blocked"),
            sendgrid("delivered", 5),
        ),
        {"delivery_status": "delivered", "is_delivered": True, "failed_at": None},
    ),
    "deferred and blocked in one second": Life(
        (
            sendgrid("processed", 5),
            sendgrid("deferred", 5),
            sendgrid("bounce", 5, type="blocked", bounce_classification="Reputation"),
        ),
        {
            "delivery_status": "bounced",
            "failure_severity": "temporary",
            "failed_at": None,
            "is_delivered": False,
        },
    ),
    "delivered, then bounced for good, then deferred": Life(
        (
            sendgrid("delivered", 5),
            sendgrid("bounce", 9, type="bounce", reason="550 5.1.1 Nobody"),
            sendgrid("deferred", 12),
            sendgrid("open", 20),
        ),
        {
            "delivery_status": "bounced",
            "delivered_at": second(5),
            "failed_at": second(9),
            "status_changed_at": second(9),
            "bounce_class": "Invalid Address",
            "is_delivered": False,
        },
    ),
    "two failures for good between two for now": Life(
        (
            sendgrid("bounce", 3, type="expired", reason="450 Too long"),
            sendgrid("bounce", 5, type="bounce", reason="550 First"),
            sendgrid("bounce", 9, type="bounce", reason="551 Second"),
            sendgrid("bounce", 12, type="blocked", reason="450 Last"),
        ),
        {
            "delivery_status": "bounced",
            "failure_code": 550,
            "failure_message": "550 First",
            "failure_severity": "permanent",
            "failed_at": second(5),
        },
    ),
    "dropped, and yet delivered": Life(
        (
            sendgrid("dropped", 5, reason="Bounced Address"),
            sendgrid("processed", 7),
            sendgrid("delivered", 9),
        ),
        {
            "delivery_status": "delivered",
            "failed_at": second(5),
            "reject_reason": "bounced",
            "bounce_class": None,
        },
    ),
    "dropped": Life(
        (
            sendgrid("dropped", 5, reason="Unsubscribed Address"),
            sendgrid("dropped", 9, reason="Spam Reporting Address"),
        ),
        {
            "delivery_status": "rejected",
            "reject_reason": "unsubscribed",
            "bounce_class": None,
        },
    ),
    "tried until it expired": Life(
        (
            sendgrid("processed", 0),
            sendgrid("deferred", 5),
            sendgrid("deferred", 9),
            sendgrid("bounce", 9, type="expired"),
        ),
        {
            "delivery_status": "bounced",
            "reject_reason": "timed_out",
            "failure_severity": "temporary",
            "failed_at": None,
        },
    ),
    "read and left": Life(
        (
            sendgrid("open", 5, sg_machine_open=True),
            sendgrid("open", 9, sg_machine_open=False),
            sendgrid("click", 9, url="https://x.example/"),
            sendgrid("group_unsubscribe", 12, asm_group_id=7),
            sendgrid("group_resubscribe", 15, asm_group_id=7),
        ),
        {
            "delivery_status": "sent",
            "engagement_status": "unsubscribed",
            "first_opened_at": second(5),
            "first_human_opened_at": second(9),
            "open_events": 2,
            "unsubscribed_at": second(12),
            "is_delivered": True,
        },
    ),
    "an own id that is learned, the row written whenever": Life(
        (
            written_down("M"),
            sendgrid("processed", 0, ids="MP"),
            sendgrid("open", 5, ids="P"),
            sendgrid("click", 9, ids="P"),
        ),
        {
            "delivery_status": "queued",
            "engagement_status": "clicked",
            "first_opened_at": second(5),
            "open_events": 1,
            "click_events": 1,
        },
    ),
    "an unknown message id goes on to the provider's": Life(
        (
            written_down("P"),
            sendgrid("delivered", 5, ids="MP"),
            sendgrid("open", 9, ids="P"),
        ),
        {"delivery_status": "delivered", "engagement_status": "opened"},
    ),
    "a message id that is learned from the provider's": Life(
        (
            written_down("P"),
            sendgrid("processed", 0, ids="MP"),
            sendgrid("dropped", 5, ids="M", reason="Invalid"),
        ),
        {"delivery_status": "rejected", "reject_reason": "invalid"},
    ),
    "Mailgun gives up": Life(
        (
            mailgun("accepted", 0),
            mailgun("failed", 5, severity="temporary"),
            mailgun("failed", 9, severity="permanent", reason="old"),
            mailgun("delivered", 12),
            mailgun("complained", 20),
        ),
        {
            "delivery_status": "bounced",
            "engagement_status": "complained",
            "reject_reason": "timed_out",
            "failed_at": second(9),
        },
    ),
    "Postmark tries again": Life(
        (
            written_down("P"),
            postmark("Bounce", 5, Type="Transient"),
            postmark("Bounce", 9, Type="SoftBounce"),
            postmark("Delivery", 9),
            postmark("Open", 12),
        ),
        {
            "delivery_status": "delivered",
            "engagement_status": "opened",
            "deferrals": 1,
            "failed_at": None,
        },
    ),
}


@pytest.fixture(scope="module")
def statuses(
    built: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Row]]:
    """The rows of each life after all loads, one for each order of arrival."""
    warehouse = Warehouse(tmp_path_factory.mktemp("orders"), like=built)
    warehouse.load(
        accounts=[{"account_id": "acme", "reporting_timezone": "UTC"}],
        emails=[{"email_id": name, "account_id": "acme"} for name in LIVES],
        email_recipients=[
            _row(name, number, None)
            for name, life in LIVES.items()
            if not any(step.name == "written down" for step in life.steps)
            for number, _ in enumerate(permutations(life.steps))
        ],
    )
    for place in range(max(len(life.steps) for life in LIVES.values())):
        arriving = [
            (name, number, order[place])
            for name, life in LIVES.items()
            for number, order in enumerate(permutations(life.steps))
            if place < len(order)
        ]
        rows = [one for one in arriving if one[2].name == "written down"]
        events = [one for one in arriving if one not in rows]
        warehouse.load(
            [_event(*one) for one in events],
            email_recipients=[_row(*one) for one in rows],
        )
        build(warehouse, *DELIVERY)
    found: dict[str, list[Row]] = {name: [] for name in LIVES}
    for row in warehouse.mart("fct_recipient_status"):
        found[row["email_id"]].append(row)
    assert warehouse.mart("fct_unmatched_events") == []
    assert_as_if_built_whole(warehouse, *DELIVERY)
    return found


@pytest.mark.parametrize("name", LIVES)
def test_every_order_of_arrival_gives_the_same_status(
    statuses: dict[str, list[Row]], name: str
) -> None:
    life, rows = LIVES[name], statuses[name]
    assert len(rows) == len(list(permutations(life.steps)))
    first = _without_identity(rows[0])
    assert first | life.status == first
    assert [row for row in map(_without_identity, rows) if row != first] == []


def _without_identity(row: Row) -> Row:
    return {column: value for column, value in row.items() if column not in IDENTITY}


def _event(life: str, number: int, step: Step) -> Row:
    """An event as it lies in raw."""
    address = f"r{number}@x.example"
    who = {"sendgrid": "email", "mailgun": "recipient", "postmark": "Recipient"}
    body = dict(_filled_in(step.body, life, number))
    return {
        "provider": step.provider,
        "event_key": f"{life}/{number}/{LIVES[life].steps.index(step)}",
        "event_name": step.name,
        "occurred_at": second(step.after).astimezone(UTC),
        "received_at": second(100),
        "payload": {who[step.provider]: address, **body},
    }


def _row(life: str, number: int, step: Step | None) -> Row:
    """A row of `raw.app_email_recipients`."""
    letter = step.body["message_id"] if step else None
    return {
        "email_id": life,
        "member_email": f"r{number}@x.example",
        "message_id": _id(letter, life, number) if letter else None,
    }


def _filled_in(body: Row, life: str, number: int) -> Iterator[tuple[str, Any]]:
    """The ids of the recipient's own message, for the letters that stand for them."""
    for name, value in body.items():
        if isinstance(value, dict):
            yield name, dict(_filled_in(value, life, number))
        elif value in ("A", "M", "P"):
            yield name, _id(value, life, number)
        else:
            yield name, value


def _id(letter: str, life: str, number: int) -> str:
    """The id that a letter stands for; SendGrid's ends at the first dot."""
    if letter == "A":
        return life
    return f"{letter}{number} {life}".replace(" ", "-").replace(",", "")
