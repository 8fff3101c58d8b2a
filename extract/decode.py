"""From a provider's bytes to typed events and dead letters; pure, no clock, no I/O.

    page ──▶ split ──▶ items ──▶ judge ──▶ events: id, name, instant, body as sent
                                    ╰────▶ dead letters: reason, body

An honest page is read at once: one pass cuts the bodies out of it, another reads the
fields, and writing it again proves that no object names a key twice. Only if any of
them stumbles, the items are judged one by one, so an odd item never takes its
neighbours along. Both ways give the same answer.

A body stays as it was sent. It is rewritten only where engines would read it
differently or not at all: keys that come twice (Python takes the last, DuckDB the
first) and halves of surrogate pairs (DuckDB refuses the whole document).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context
from typing import Any, Literal, NamedTuple

import msgspec
import orjson
from msgspec import Raw

SECOND = 1_000_000
"""In microseconds, the unit of every instant in this file (since the epoch)."""

EARLIEST = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * SECOND
"""An event before it is a broken clock, not a history."""

LONGEST_ID = 1_000
"""Characters of an id. Providers use 22 to 60; ten times that is not an id."""

LONGEST_NAME = 200
"""Characters of an event's name."""

LONGEST_INSTANT = 100
"""Characters of an ISO 8601 instant."""

DEEPEST = 254
"""Levels of nesting in one event; honest ones have about five. It is what orjson
writes, so that the quick way proves it for free."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_BEYOND = 10**30
"""Microseconds that are out of every range: numbers too great to be computed with."""

_TO_MICROSECONDS = (1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TOKEN = re.compile(
    # A string that nothing ends reaches to the end: else each of its quotes would be
    # tried as the beginning of another one, in the square of its length.
    rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[][{},]',
    re.DOTALL,
)
_FINER_INSTANT = re.compile(r"(.*:\d\d)(\.\d{7,})(\D.*)", re.ASCII)
"""With more digits than `datetime` has, which would cut them off."""

_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:\s*', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|\\.",
    re.DOTALL,
)


class NotAPageError(ValueError):
    """The bytes are not what this provider's pages look like."""


class DeadLetter(NamedTuple):
    """What could not become an event."""

    position: int
    reason: str
    body: str


@dataclass(slots=True)
class Events:
    """Events of one page, as columns of the same length.

    Attributes:
        ids: The provider's id, as text.
        names: The provider's name of what happened.
        occurred_at: Microseconds since the epoch.
        severities: The provider's severity, where it has one.
        positions: Place among the page's items, from 0.
        bodies: The event as it was sent: one JSON object in UTF-8.
    """

    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    occurred_at: list[int] = field(default_factory=list)
    severities: list[str | None] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of events."""
        return len(self.ids)


@dataclass(slots=True)
class Page:
    """A page, read.

    Attributes:
        events: What became events, in the page's order.
        dead: What did not.
        total: Items of the page: events and dead letters.
        warnings: What was odd about events that were kept, and how often.
    """

    events: Events
    dead: list[DeadLetter]
    total: int
    warnings: Counter[str] = field(default_factory=Counter)


class Outline(NamedTuple):
    """What is known of a page before it is read.

    Attributes:
        page: The page itself.
        bodies: Its items as they stand in it.
        next_page: Address of the page after it, if it names one.
        is_honest: Whether parsers accept the whole of it.
    """

    page: bytes
    bodies: Sequence[bytes | Raw]
    next_page: str | None
    is_honest: bool


@dataclass(frozen=True)
class Shape:
    """What a provider calls the fields that every event has.

    Attributes:
        event_id: Text; a number is kept as its exact text.
        event_name: Text.
        timestamp: Epoch seconds, a number or text.
        severity: Text, optional; only counted by.
        is_iso: Whether the timestamp is an ISO 8601 instant instead.
        other_timestamps: What some events call it.
        may_lack_id: Whether an event without an id is known by what it says.
        has_numbers_for_ids: Whether an id that is a number is nothing odd.
    """

    event_id: str
    event_name: str
    timestamp: str
    severity: str
    is_iso: bool = False
    other_timestamps: tuple[str, ...] = ()
    may_lack_id: bool = False
    has_numbers_for_ids: bool = False


class _Paging(msgspec.Struct, frozen=True):
    next: str | None = None


class _Cut(msgspec.Struct):
    items: list[Raw]
    paging: _Paging = _Paging()
    pagination: _Paging = _Paging()


_CUT = msgspec.json.Decoder(_Cut)


def outline(page: bytes, paging: Literal["paging", "pagination"] = "paging") -> Outline:
    """Finds where a page leads and where its items lie, without reading them.

    Args:
        page: The answer's body.
        paging: The member that tells where it leads.

    Raises:
        NotAPageError: It is no object with a list of items.
    """
    page = page.removeprefix(BYTE_ORDER_MARK)
    try:
        cut = _CUT.decode(page)
    except (msgspec.MsgspecError, RecursionError):
        members = members_of(page)
        if not members.get("items", b"").startswith(b"["):
            raise NotAPageError("it has no list of items") from None
        try:
            leads = msgspec.json.decode(members.get(paging, b"{}"), type=_Paging)
        except msgspec.MsgspecError as error:
            raise NotAPageError("its paging is not understood") from error
        return Outline(page, list(children(members["items"])), leads.next, False)
    leads = cut.paging if paging == "paging" else cut.pagination
    return Outline(page, cut.items, leads.next, True)


class PageReader:
    """Reads pages of the form `{"items": [event, ...], "paging": {"next": ...}}`.

    Args:
        shape: What the events' fields are called.
    """

    def __init__(self, shape: Shape) -> None:
        """Keeps the names."""
        self._shape = shape

    def read(self, outlined: Outline, latest: int) -> Page:
        """Reads a page; no item can spoil it for its neighbours.

        Args:
            outlined: The page and where its items lie.
            latest: Greatest plausible instant, microseconds since the epoch.
        """
        bodies = [bytes(body) for body in outlined.bodies]
        if outlined.is_honest:
            try:
                items = orjson.loads(outlined.page)["items"]
                if not _may_name_a_key_twice(items, bodies):
                    events = self._at_once(items, bodies, latest)
                    return Page(events, [], len(bodies))
            except (LookupError, TypeError, ValueError):
                pass  # something is odd: each item is looked at
        events, dead, warnings = judge(bodies, self._shape, latest)
        return Page(events, dead, len(bodies), warnings)

    def _at_once(
        self, items: Sequence[Any], bodies: list[bytes], latest: int
    ) -> Events:
        """The events of an honest page.

        Raises:
            LookupError: A field is missing.
            TypeError: A field is of another type.
            ValueError: A field holds what it should not.
        """
        shape = self._shape
        ids = [item[shape.event_id] for item in items]
        names = [item[shape.event_name] for item in items]
        exactly = _instant if shape.is_iso else _exactly
        occurred_at = [exactly(item[shape.timestamp]) for item in items]
        _check_texts(ids, LONGEST_ID)
        _check_texts(names, LONGEST_NAME)
        if items and not EARLIEST <= min(occurred_at) <= max(occurred_at) <= latest:
            raise ValueError("out of range")
        severities = [item.get(shape.severity) for item in items]
        return Events(
            ids,
            names,
            occurred_at,
            [s if isinstance(s, str) else None for s in severities],
            list(range(len(items))),
            bodies,
        )


def judge(
    bodies: Sequence[bytes], shape: Shape, latest: int
) -> tuple[Events, list[DeadLetter], Counter[str]]:
    """Makes each item an event or a dead letter.

    Args:
        bodies: The items, cut out of their page.
        shape: What the events' fields are called.
        latest: Greatest plausible instant, microseconds since the epoch.

    Returns:
        The events, the dead letters, and what was odd about events that were kept.
    """
    events, dead, warnings = Events(), list[DeadLetter](), Counter[str]()
    for position, body in enumerate(bodies):
        oddities: list[str] = []
        try:
            whole, fields = _readable(body, oddities)
            event_id = _event_id(whole, fields, shape, oddities)
            name = _event_name(fields.get(shape.event_name), oddities)
            at = _occurred_at(_timestamp(fields, shape), latest, shape.is_iso)
        except _UnusableError as error:
            dead.append(DeadLetter(position, error.reason, as_text(body)))
            continue
        events.ids.append(event_id)
        events.names.append(name)
        events.occurred_at.append(at)
        events.severities.append(_text_or_none(fields.get(shape.severity)))
        events.positions.append(position)
        events.bodies.append(whole)
        warnings.update(oddities)
    return events, dead, warnings


def microseconds(text: str) -> int:
    """Rounds epoch seconds to whole microseconds, exactly (ties to even).

    Computed from the digits as they are written: splitting off a float's fraction, or
    its product with a million, would be off by one.

    Args:
        text: A decimal number, with or without fraction and exponent.

    Returns:
        Microseconds; of numbers beyond 10**20 only that they are out of any range.

    Raises:
        ValueError: It is no number.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text[:50]!r}")
    exact = Context(prec=len(text) + 10, rounding=ROUND_HALF_EVEN, traps=[])
    seconds = exact.create_decimal(text)
    if not seconds.is_finite() or seconds.adjusted() > 20:
        return -_BEYOND if seconds.is_signed() else _BEYOND
    return int(seconds.scaleb(6, exact).to_integral_value(context=exact))


def dead_letter_key(source: str, domain: str, letter: DeadLetter) -> str:
    """The identity of a dead letter: the same bad item twice is one letter."""
    told = json.dumps([source, domain, letter.reason, letter.body])
    return hashlib.sha256(told.encode()).hexdigest()


def as_text(body: bytes) -> str:
    """Any bytes as text that every engine stores: valid UTF-8 without NUL."""
    return body.decode("utf-8", "replace").replace("\0", "\ufffd")


def canonical(body: bytes) -> bytes:
    """The one way to write a JSON value: keys sorted, no blanks, numbers as they are.

    Args:
        body: Valid JSON that names no key twice.
    """
    if body.startswith(b"{"):
        members = msgspec.json.decode(body, type=dict[str, Raw])
        written = (
            msgspec.json.encode(key) + b":" + canonical(bytes(members[key]))
            for key in sorted(members)
        )
        return b"{" + b",".join(written) + b"}"
    if body.startswith(b"["):
        elements = msgspec.json.decode(body, type=list[Raw])
        return b"[" + b",".join(canonical(bytes(one)) for one in elements) + b"]"
    if body.startswith(b'"'):
        return msgspec.json.encode(msgspec.json.decode(body, type=str))
    return body


class _UnusableError(Exception):
    """An item is a dead letter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _check_texts(texts: Sequence[str], longest: int) -> None:
    """Refuses what typed columns can't hold as it is; all at once, which is fast.

    Raises:
        TypeError: One of them is no text.
        ValueError: One is empty, too long, or holds NUL.
    """
    if "\0" in "".join(texts) or "" in texts:
        raise ValueError("empty, or with NUL")
    if max(map(len, texts), default=0) > longest:
        raise ValueError("too long")


def _exactly(timestamp: object) -> int:
    """A parsed timestamp in microseconds, the same as `microseconds` of its text.

    A float near 2**31 is at most 0.12 us from its text, and as near to the number of
    microseconds whose nearest float it is. So the text rounds to that number.

    Raises:
        TypeError: It is neither number nor text.
        ValueError: It is no number, or one whose text must be looked at.
    """
    if type(timestamp) is float:
        at = round(timestamp * 1e6) if -1e10 < timestamp < 1e10 else 0
        if at / 1e6 == timestamp:
            return at
        raise ValueError("its text must be looked at")
    if type(timestamp) is int:
        return timestamp * SECOND
    if type(timestamp) is str:
        return microseconds(timestamp.strip())
    raise TypeError("neither number nor text")


def _instant(timestamp: object) -> int:
    """An ISO 8601 instant in microseconds.

    Raises:
        TypeError: It is no text.
        ValueError: It is no instant, or has no offset.
    """
    if type(timestamp) is not str:
        raise TypeError("no text")
    if len(timestamp) > LONGEST_INSTANT:
        raise ValueError("too long")
    text, fraction = timestamp.strip(), 0
    if finer := _FINER_INSTANT.fullmatch(text):
        text, fraction = finer[1] + finer[3], microseconds(finer[2])
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no offset")
    return (at - _EPOCH) // timedelta(microseconds=1) + fraction


def _may_name_a_key_twice(items: Sequence[Any], bodies: Sequence[bytes]) -> bool:
    """Whether any object of some items may name a key twice.

    What is written again holds each key once, so equal bytes prove that none does.
    Where numbers or escapes are written differently, an equal number of colons does:
    each member has one, and those within strings are written again as they are, but
    for escaped ones. Also true for more levels than DEEPEST, which orjson refuses.

    Args:
        items: What orjson reads the bodies as.
        bodies: Valid JSON.
    """
    try:
        written = [orjson.dumps(item) for item in items]
    except orjson.JSONEncodeError:
        return True
    if written == bodies:
        return False
    return any(
        body.count(b":") != again.count(b":")
        or rb"\u003a" in body
        or rb"\u003A" in body
        for body, again in zip(bodies, written, strict=True)
        if body != again
    )


def _seconds(raw: bytes) -> int:
    """A timestamp as it stands in the JSON, a number or text, in microseconds."""
    text = raw.decode()
    if text.startswith('"'):
        text = msgspec.json.decode(raw, type=str).strip()
    return microseconds(text)


def _readable(body: bytes, oddities: list[str]) -> tuple[bytes, dict[str, Raw]]:
    """An object's body as every engine reads it, and its fields.

    Raises:
        _UnusableError: It is no such object.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise _UnusableError("invalid_utf8") from error
    if _depth(body) > DEEPEST:
        raise _UnusableError("too_deep")
    whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)
    if whole != body:
        oddities.append("half of a surrogate pair")
    try:
        msgspec.json.decode(whole, type=Raw)
    except msgspec.MsgspecError as error:
        raise _UnusableError("invalid_json") from error
    if not whole.startswith(b"{"):
        raise _UnusableError("event_not_an_object")
    if _has_key_twice(whole):
        oddities.append("a key twice")
        whole = _last_wins(whole)
    return whole, msgspec.json.decode(whole, type=dict[str, Raw])


def _event_id(
    whole: bytes, fields: dict[str, Raw], shape: Shape, oddities: list[str]
) -> str:
    text = bytes(fields.get(shape.event_id) or b"null")
    if text in (b"null", b'""'):
        if shape.may_lack_id:
            return hashlib.sha256(canonical(whole)).hexdigest()
        raise _UnusableError("missing_id")
    if text[:1] in (b"{", b"[") or text in (b"true", b"false"):
        raise _UnusableError("event_id_not_text")
    if text.startswith(b'"'):
        return _clean(text, LONGEST_ID, oddities)
    if not shape.has_numbers_for_ids:
        oddities.append("an id that is a number")
    return _short(text.decode(), LONGEST_ID)


def _event_name(raw: Raw | None, oddities: list[str]) -> str:
    text = bytes(raw or b"null")
    if text in (b"null", b'""'):
        raise _UnusableError("missing_event_type")
    if not text.startswith(b'"'):
        raise _UnusableError("event_type_not_text")
    return _clean(text, LONGEST_NAME, oddities)


def _timestamp(fields: dict[str, Raw], shape: Shape) -> Raw | None:
    names = (shape.timestamp, *shape.other_timestamps)
    return next((fields[name] for name in names if name in fields), None)


def _occurred_at(raw: Raw | None, latest: int, is_iso: bool) -> int:
    text = bytes(raw or b"null")
    if text in (b"null", b'""'):
        raise _UnusableError("missing_timestamp")
    try:
        at = _instant(_text_or_none(raw)) if is_iso else _seconds(text)
    except (TypeError, ValueError) as error:
        raise _UnusableError("bad_timestamp") from error
    if not EARLIEST <= at <= latest:
        raise _UnusableError("timestamp_out_of_range")
    return at


def _clean(raw: bytes, longest: int, oddities: list[str]) -> str:
    """JSON text for a typed column."""
    text = _short(msgspec.json.decode(raw, type=str), longest)
    if "\0" in text:
        oddities.append("NUL in a name or id")
        return text.replace("\0", "\ufffd")
    return text


def _short(text: str, longest: int) -> str:
    if len(text) > longest:
        raise _UnusableError("field_too_long")
    return text


def _text_or_none(raw: Raw | None) -> str | None:
    if raw is None or not bytes(raw).startswith(b'"'):
        return None
    return msgspec.json.decode(raw, type=str)


def _has_key_twice(body: bytes) -> bool:
    found = False

    def compare(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    # Numbers stay text: there are some that Python refuses to compute.
    json.loads(body, object_pairs_hook=compare, parse_int=str, parse_float=str)
    return found


def _last_wins(body: bytes) -> bytes:
    """Writes an object so that each key is there once; values keep their bytes."""
    if body.startswith(b"{"):
        members = msgspec.json.decode(body, type=dict[str, Raw])
        return msgspec.json.encode(
            {key: Raw(_last_wins(bytes(value))) for key, value in members.items()}
        )
    if body.startswith(b"["):
        elements = msgspec.json.decode(body, type=list[Raw])
        return msgspec.json.encode(
            [Raw(_last_wins(bytes(element))) for element in elements]
        )
    return body


def _depth(body: bytes) -> int:
    """Levels of nesting."""
    if body.count(b"{") + body.count(b"[") <= DEEPEST:
        return 0  # not worth counting exactly
    depth = deepest = 0
    for token in _TOKEN.finditer(body):
        if token[0] in (b"{", b"["):
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in (b"}", b"]"):
            depth -= 1
    return deepest


def children(text: bytes) -> Iterator[bytes]:
    """The elements of an array or the members of an object, as they stand.

    Only brackets, commas and strings are looked at, so that an element which no
    parser accepts can be told from its neighbours.

    Raises:
        NotAPageError: It ends in the middle, or goes on after its end.
    """
    depth, begin = 0, 1
    for token in _TOKEN.finditer(text):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                if token.end() != len(text):
                    raise NotAPageError("it goes on after its end")
                last = text[begin : token.start()].strip()
                if last:
                    yield last
                return
        elif token[0] == b"," and depth == 1:
            yield text[begin : token.start()].strip()
            begin = token.end()
    raise NotAPageError("it is no JSON, or ends in the middle")


def members_of(page: bytes) -> dict[str, bytes]:
    """The members of an object, as they stand; of a key's several, the last.

    Raises:
        NotAPageError: It is no object, or ends in the middle.
    """
    page = page.strip()
    if not page.startswith(b"{"):
        raise NotAPageError("it is no object")
    members: dict[str, bytes] = {}
    for member in children(page):
        key = _KEY.match(member)
        if not key:
            raise NotAPageError("it is no JSON")
        members[as_text(key[1])] = member[key.end() :]
    return members
