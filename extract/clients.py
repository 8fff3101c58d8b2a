"""Client events, received: what the collector made of them, see its `client_form`.

{"sha256": …, "items": [{"event": {…}}, {"dead": {…}}]} ──▶ events, dead letters

An event is known by its own id, else by the hash of what it came in and its place
there. Its key holds the day on which it happened, or was received if it doesn't say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from msgspec import Raw

from extract.decode import EARLIEST, DeadLetter, Events, Page, as_text, microseconds
from extract.event_keys import EventKeys
from extract.received import Cut, Decoded, UnusableBodyError
from extract.tables import CLIENT_EVENTS, Table
from extract.tally import Kind
from extract.windows import DAY
from inbox import Record


class _Item(msgspec.Struct):
    event: Raw = Raw()
    dead: Raw = Raw()


class _Form(msgspec.Struct):
    sha256: str
    items: list[_Item]


class _Told(msgspec.Struct):
    """An event, or what is left of what could not become one."""

    event: str = ""
    id: str = ""
    at: int | float | str | None = None
    reason: str = ""


class _AnyKind(Mapping[str, Kind | None]):
    """Clients call their events as they like: none is unknown, none is counted."""

    def __getitem__(self, name: str) -> None:
        """No kind."""

    def __iter__(self) -> Iterator[str]:
        """None is listed."""
        return iter(())

    def __len__(self) -> int:
        """None."""
        return 0


_FORM = msgspec.json.Decoder(_Form)
_TOLD = msgspec.json.Decoder(_Told)


@dataclass(frozen=True)
class Clients:
    """One of the forms in which clients send.

    Attributes:
        name: As the inbox calls it.
        table: Where its events go.
        kinds: As what its events are counted.
    """

    name: str
    table: Table = CLIENT_EVENTS
    kinds: Mapping[str, Kind | None] = field(default_factory=_AnyKind)

    def decode(self, record: Record, latest: int) -> Decoded:
        """Reads a record; see `Provider.decode`.

        Args:
            record: What the collector stored, or a dead letter's body.
            latest: Greatest plausible instant, microseconds since the epoch.
        """
        events, dead = Events(), list[DeadLetter]()
        try:
            batch, items = _cut(record.body)
        except UnusableBodyError as error:
            letter = DeadLetter(0, error.reason, as_text(record.body))
            return Decoded(Page(Events(), [letter], 1), [], "")
        unsaid: list[int] = []
        for position, item in enumerate(items):
            try:
                told = _TOLD.decode(item)
            except msgspec.MsgspecError:
                dead.append(DeadLetter(position, "invalid_json", item.decode()))
                continue
            event_id = _column(told.id) or f"{batch}:{position}"
            try:
                at = _occurred_at(told, record.received_at, latest)
            except UnusableBodyError as error:
                body = item if told.id or not told.event else _named(item, event_id)
                dead.append(DeadLetter(position, error.reason, body.decode()))
                continue
            if told.at is None:
                unsaid.append(len(events))
            events.ids.append(event_id)
            events.names.append(_column(told.event))
            events.occurred_at.append(at)
            events.severities.append(None)
            events.positions.append(position)
            events.bodies.append(item)
        keys = EventKeys("client").of(events.ids, events.occurred_at)
        before, after = (
            EventKeys("client").of(
                [events.ids[i] for i in unsaid],
                [events.occurred_at[i] + days for i in unsaid],
            )
            for days in (-DAY, DAY)
        )
        beside = {
            keys[i]: either
            for i, either in zip(unsaid, zip(before, after, strict=True), strict=True)
        }
        return Decoded(Page(events, dead, len(items)), keys, "", beside)

    def items(self, body: bytes) -> Cut:
        """Cuts what the collector stored into its items.

        Raises:
            UnusableBodyError: It isn't what the collector stores.
        """
        return Cut(_cut(body)[1])


def _cut(body: bytes) -> tuple[str, list[bytes]]:
    """The hash of what the items came in, and the items.

    Raises:
        UnusableBodyError: It isn't what the collector stores.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise UnusableBodyError("invalid_utf8") from error
    try:
        form = _FORM.decode(body)
    except msgspec.MsgspecError:
        # A dead letter's body: an item by itself.
        try:
            _TOLD.decode(body)
        except msgspec.MsgspecError as error:
            raise UnusableBodyError("invalid_json") from error
        return sha256(body).hexdigest(), [body]
    return form.sha256, [
        bytes(one.event) or bytes(one.dead) or b"{}" for one in form.items
    ]


def _occurred_at(told: _Told, received_at: int, latest: int) -> int:
    """When an event happened; its receipt, if it doesn't say.

    Raises:
        UnusableBodyError: It says nonsense, or it is no event.
    """
    if told.reason or not told.event:
        raise UnusableBodyError(told.reason or "missing_event_name")
    if told.at is None:
        return received_at
    try:
        instant = microseconds(str(told.at))
    except ValueError as error:
        raise UnusableBodyError("bad_timestamp") from error
    if not EARLIEST <= instant <= latest:
        raise UnusableBodyError("timestamp_out_of_range")
    return instant


def _named(item: bytes, event_id: str) -> bytes:
    """An event with the id that its request and its place there give it."""
    return b'{"id":' + msgspec.json.encode(event_id) + b"," + item[1:]


def _column(text: str) -> str:
    """Text that every engine stores."""
    return text.replace("\0", "\ufffd")


SPADE = Clients("spade")
FLUME = Clients("flume")
BEACON = Clients("beacon")
