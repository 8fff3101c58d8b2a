"""Mailgun's events, received: `{"signature": …, "event-data": {…}}`.

What is in `event-data` is what the API serves, so both copies have the same key, and
become one row.
"""

import msgspec

from extract.decode import Events, NotAPageError, as_text, members_of
from extract.event_keys import EventKeys
from extract.lanes import KINDS
from extract.mailgun import SHAPE
from extract.mailgun_settings import SOURCE
from extract.received import BLANKS, Cut, Provider
from extract.tables import MAILGUN_EVENTS

LONGEST_DOMAIN = 253
"""Characters, as DNS has it."""


class _Headers(msgspec.Struct):
    message_id: str = msgspec.field(name="message-id", default="")


class _Message(msgspec.Struct):
    headers: _Headers


class _Event(msgspec.Struct):
    message: _Message


def cut(body: bytes) -> Cut:
    """The event within its envelope; without one, the body itself is judged."""
    try:
        event = members_of(body).get("event-data")
    except NotAPageError:
        event = None
    return Cut([body if event is None else event.strip(BLANKS)])


def domain_of(events: Events) -> str:
    """The host of the event's Message-ID; empty if it has none."""
    try:
        event = msgspec.json.decode(events.bodies[0], type=_Event)
    except msgspec.MsgspecError:
        return ""
    host = event.message.headers.message_id.strip().strip("<>").rpartition("@")[2]
    return as_text(host.lower().encode()) if len(host) <= LONGEST_DOMAIN else ""


def keys_of(events: Events, domain: str) -> list[str]:
    """The keys: those that polled copies have."""
    return EventKeys(f"{SOURCE}:{domain}").of(events.ids, events.occurred_at)


MAILGUN = Provider(
    name=SOURCE,
    table=MAILGUN_EVENTS,
    shape=SHAPE,
    kinds=KINDS,
    cut=cut,
    domain_of=domain_of,
    keys_of=keys_of,
)
