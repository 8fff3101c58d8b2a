"""A received request's body, decoded; pure, no clock, no I/O.

    body ──▶ cut ──▶ items ──▶ judge ──▶ events with their keys
              ╰── can't be cut ──▶ one dead letter, the whole body

What differs between providers is a `Provider`: how their bodies are cut, what the
fields are called, what makes a key. Each has a file of its own.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Raw

from extract.decode import (
    BYTE_ORDER_MARK,
    DeadLetter,
    Events,
    NotAPageError,
    Page,
    Shape,
    as_text,
    children,
    judge,
)
from extract.event_keys import EventKeys
from extract.tables import Table
from extract.tally import Kinds
from inbox import Record

MOST_ITEMS = 50_000
"""Events of one request. The door lets 4 MiB in, which leaves 80 bytes for each."""

BLANKS = b" \t\r\n"
"""What JSON takes for blanks; `strip` alone would take more."""


class UnusableBodyError(ValueError):
    """A body can't be cut into items.

    Attributes:
        reason: Of the dead letter that it becomes.
    """

    def __init__(self, reason: str) -> None:
        """Keeps the reason."""
        super().__init__(reason)
        self.reason = reason


class Cut(NamedTuple):
    """A body's items as they stand in it, and what is odd about it."""

    items: Sequence[bytes]
    oddities: tuple[str, ...] = ()


class Decoded(NamedTuple):
    """A body, read.

    Attributes:
        page: Its events and dead letters.
        keys: Event keys, in the order of the events.
        domain: The sending domain; empty if it is not known.
        beside: For a key that holds the day of receipt, since no other is known, the
            keys that the event has if it came the day before or the day after.
    """

    page: Page
    keys: list[str]
    domain: str
    beside: Mapping[str, tuple[str, str]] = MappingProxyType({})


class Decoder(Protocol):
    """Reads what one source of the inbox sent.

    Attributes:
        name: As the inbox calls it.
        table: Where its events go.
        kinds: As what its events are counted.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - an attribute
    @property
    def table(self) -> Table: ...  # noqa: D102 - an attribute
    @property
    def kinds(self) -> Kinds: ...  # noqa: D102 - an attribute

    def decode(self, record: Record, latest: int) -> Decoded:
        """Reads a record; see `Provider.decode`."""

    def items(self, body: bytes) -> Cut:
        """Cuts a body; see `Provider.items`."""


@dataclass(frozen=True)
class Provider:
    """What decoding needs to know of a provider.

    Attributes:
        name: As the inbox calls it.
        table: Where its events go.
        shape: What the fields are called that every event has.
        kinds: As what its events are counted.
        cut: Cuts a body without a mark or blanks around it, which is not empty;
            raises UnusableBodyError.
        domain_of: The domain of a request whose path secret stands for none.
        keys_of: The keys of events of a domain.
    """

    name: str
    table: Table
    shape: Shape
    kinds: Kinds
    cut: Callable[[bytes], Cut]
    domain_of: Callable[[Events], str] = lambda _: ""
    keys_of: Callable[[Events, str], list[str]] | None = None

    def decode(self, record: Record, latest: int) -> Decoded:
        """Reads a record; no event can spoil it for its neighbours, and none raises.

        Args:
            record: What was received.
            latest: Greatest plausible instant, microseconds since the epoch.
        """
        body, domain = record.body, record.domain.lower()
        try:
            cut = self.items(body)
        except UnusableBodyError as error:
            letter = DeadLetter(0, error.reason, as_text(body))
            return Decoded(Page(Events(), [letter], 1), [], domain)
        events, dead, warnings = judge(cut.items, self.shape, latest)
        if events:
            warnings.update(cut.oddities)
            domain = domain or self.domain_of(events)
        if self.keys_of is None:
            keys = EventKeys(self.name).of(events.ids, events.occurred_at)
        else:
            keys = self.keys_of(events, domain)
        page = Page(events, dead, len(cut.items), Counter(warnings))
        return Decoded(page, keys, domain)

    def items(self, body: bytes) -> Cut:
        """Cuts a body into what are to be events.

        Raises:
            UnusableBodyError: It can't be cut.
        """
        text = body.removeprefix(BYTE_ORDER_MARK)
        oddities = ("a byte order mark",) if text != body else ()
        text = text.strip(BLANKS)
        if not text:
            raise UnusableBodyError("empty_body")
        cut = self.cut(text)
        if len(cut.items) > MOST_ITEMS:
            raise UnusableBodyError("too_many_events")
        return Cut(cut.items, (*oddities, *cut.oddities))


def cut_array(body: bytes) -> Cut:
    """The elements of an array; an object instead of one is its only element.

    Raises:
        UnusableBodyError: It is neither, or ends in the middle.
    """
    if body.startswith(b"{"):
        return Cut([body], ("one object instead of an array",))
    try:
        return Cut([bytes(one) for one in msgspec.json.decode(body, type=list[Raw])])
    except (msgspec.MsgspecError, RecursionError):
        pass
    if body.startswith(b"["):
        try:
            return Cut(list(children(body)))
        except NotAPageError as error:
            raise UnusableBodyError(_no_json(body)) from error
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnusableBodyError(_no_json(body)) from error
    raise UnusableBodyError("not_an_array")


def cut_object(body: bytes) -> Cut:
    """The body itself is the event; whether it is an object is judged."""
    return Cut([body])


def _no_json(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    return "invalid_json"
