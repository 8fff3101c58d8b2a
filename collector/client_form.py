"""What a client sends, and what of it is kept: the allow-list comes before the disk.

    body ──▶ texts (form, base64, JSON) ──▶ items ──▶ allowed properties ──▶ stored
               ╰── can't be read ─────────────┴──▶ reason, length and SHA-256 only

What is stored is JSON of this form, in UTF-8, each item with one of the two members:

    {"sha256": "… of the body", "items": [
        {"event": {"event": …, "properties": {…}, "dropped": 2, "id": …, "at": …}},
        {"dead": {"reason": …, "length": 17, "sha256": …}}]}

`dropped` counts properties (and other members) that no allow-list names; `id` and `at`
(seconds since the epoch) are there if the client sent them. An id that can't be stored
(NUL, half a surrogate pair) is there as its SHA-256.
"""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from math import isfinite
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from collector.body import BodyError

Allowed = Mapping[str, frozenset[str]]
"""Names of properties that are kept, for each event."""

MOST_EVENTS = 2_000
"""Items of a request."""

LONGEST_NAME = 200
"""Characters of an event's name, of an id, of an instant that is text."""

DEEPEST = 200
"""Levels of nesting in a property."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MEMBERS = frozenset({"event", "properties", "id", "at"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSTORABLE = re.compile("[\ud800-\udfff\0]")
_STANDARD = bytes.maketrans(b"-_ ", b"+/+")  # a form turns + into a blank
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")


class UnusableError(ValueError):
    """It can't become an event.

    Attributes:
        reason: Of the dead letter that it becomes.
    """

    def __init__(self, reason: str) -> None:
        """Keeps the reason."""
        super().__init__(reason)
        self.reason = reason


class Kept(NamedTuple):
    """What is kept of a request.

    Attributes:
        stored: For the inbox.
        events: How many events it has.
        dropped: How many properties are not in it.
        dead: Why items are dead, and how many.
    """

    stored: bytes
    events: int
    dropped: int
    dead: Counter[str]


def keep(source: str, content_type: str, body: bytes, allowed: Allowed) -> Kept:
    """Reads a client's body and keeps what is allowed; nothing in it can raise.

    Args:
        source: spade, flume or beacon.
        content_type: As the client says.
        body: The request's, inflated.
        allowed: What is kept.

    Raises:
        BodyError: It has more items than anyone may send.
    """
    items: list[dict[str, Any]] = []
    events = dropped = 0
    dead: Counter[str] = Counter()
    for given, item in _items(_READERS[source], content_type, body):
        if len(items) == MOST_EVENTS:
            raise BodyError(413, "too_many_events")
        try:
            event = _event(item() if callable(item) else item, allowed)
        except UnusableError as error:
            dead[error.reason] += 1
            items.append({"dead": _remains(error.reason, given, item)})
        else:
            events += 1
            dropped += event["dropped"]
            items.append({"event": event})
    form = {"sha256": sha256(body).hexdigest(), "items": items}
    return Kept(_json(form), events, dropped, dead)


def _items(
    read: "Reader", content_type: str, body: bytes
) -> Iterator[tuple[bytes | None, Any]]:
    """Items with the bytes that they were read from; what fails, fails when called."""
    try:
        texts, decode = read(content_type, body)
    except UnusableError as error:
        yield body, _raising(error)
        return
    for text in texts:
        try:
            value = _value(decode(text))
        except UnusableError as error:
            yield text, _raising(error)
            continue
        for item in value if isinstance(value, list) else [value]:
            yield None, item


def _event(item: Any, allowed: Allowed) -> dict[str, Any]:
    """An item as an event, with what is allowed.

    Raises:
        UnusableError: It is none.
    """
    if not isinstance(item, dict):
        raise UnusableError("event_not_an_object")
    name, properties = item.get("event"), item.get("properties")
    if name is None or name == "":
        raise UnusableError("missing_event_name")
    if not isinstance(name, str):
        raise UnusableError("event_type_not_text")
    if not isinstance(properties, dict | None):
        raise UnusableError("properties_not_an_object")
    # Whatever else is kept holds no more than its name says.
    event_id = _short(item.get("id"), "event_id_not_text")
    at = _short(item.get("at"), "bad_timestamp")
    names = allowed.get(name, frozenset())
    kept = {key: value for key, value in (properties or {}).items() if key in names}
    if _is_too_deep(kept):
        raise UnusableError("too_deep")
    dropped = len(properties or {}) - len(kept) + len(item.keys() - _MEMBERS)
    event = {"event": _fits(name), "properties": kept, "dropped": dropped}
    told = {"id": None if event_id is None else _storable(str(event_id)), "at": at}
    return event | {key: value for key, value in told.items() if value is not None}


def _short(value: Any, reason: str) -> Any:
    """A text or a number, or None for nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnusableError(reason)
    _fits(str(value))
    return value


def _storable(event_id: str) -> str:
    """An id as every engine stores it: one that none can is known by its hash.

    With a stand-in for what can't be stored, two ids would become one.
    """
    if not _UNSTORABLE.search(event_id):
        return event_id
    return f"sha256:{sha256(event_id.encode(errors='surrogatepass')).hexdigest()}"


def _fits(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise UnusableError("field_too_long")
    return text


def _remains(reason: str, given: bytes | None, item: Any) -> dict[str, Any]:
    """What is kept of what is dead: nothing that was in it."""
    if given is None:
        try:
            given = _text(item).encode(errors="surrogatepass")
        except RecursionError:
            given = b""
    return {
        "reason": reason,
        "length": len(given),
        "sha256": sha256(given).hexdigest(),
    }


def _value(text: bytes) -> Any:
    """A text's JSON.

    Raises:
        UnusableError: It is none.
    """
    if not text.strip():
        raise UnusableError("empty_body")
    try:
        return json.loads(
            text.removeprefix(_BYTE_ORDER_MARK).decode(),
            parse_float=_number,
            parse_constant=_no_number,
        )
    except UnicodeDecodeError as error:
        raise UnusableError("invalid_utf8") from error
    except RecursionError as error:
        raise UnusableError("too_deep") from error
    except ValueError as error:
        raise UnusableError("invalid_json") from error


def _number(text: str) -> float | str:
    """A number; one that no double holds stays text."""
    number = float(text)
    return number if isfinite(number) else text


def _no_number(text: str) -> float:
    raise ValueError(text)


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _json(value: Any) -> bytes:
    return _SURROGATE.sub("\ufffd", _text(value)).encode()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _raising(error: UnusableError) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


Decode = Callable[[bytes], bytes]
"""Makes the bytes of JSON of a text; raises UnusableError if it can't."""

Reader = Callable[[str, bytes], tuple[list[bytes], Decode]]
"""Finds the texts of a body, by its content type, and how they are decoded."""


def _spade(_: str, body: bytes) -> tuple[list[bytes], Decode]:
    return _form(body), _decoded


def _flume(_: str, body: bytes) -> tuple[list[bytes], Decode]:
    return _form(body), _plain


def _beacon(content_type: str, body: bytes) -> tuple[list[bytes], Decode]:
    """Whatever `navigator.sendBeacon` makes of a text, a form or a blob."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "multipart/form-data":
        return _multipart(parameters, body), _plain_or_base64
    if kind == "application/x-www-form-urlencoded" or body.startswith(b"data="):
        return _form(body), _plain_or_base64
    return [body], _plain


_READERS: Mapping[str, Reader] = {"spade": _spade, "flume": _flume, "beacon": _beacon}

SOURCES = tuple(_READERS)
"""Each is a path of the door, and what the inbox calls it."""


def _form(body: bytes) -> list[bytes]:
    """The `data` fields of a form.

    Raises:
        UnusableError: There is none.
    """
    if not body:
        raise UnusableError("empty_body")
    pairs = (pair.partition(b"=") for pair in body.strip().split(b"&"))
    return _some(
        [
            unquote_to_bytes(value.replace(b"+", b" "))
            for name, _, value in pairs
            if name == b"data"
        ]
    )


def _multipart(parameters: str, body: bytes) -> list[bytes]:
    """The `data` parts of a form with parts.

    Raises:
        UnusableError: There is none.
    """
    _, _, boundary = parameters.partition("boundary=")
    if not boundary:
        raise UnusableError("no_data_field")
    mark = b"--" + boundary.strip(' "').encode()
    heads = (part.partition(b"\r\n\r\n") for part in body.split(mark))
    return _some(
        [
            content.removesuffix(b"\r\n")
            for head, _, content in heads
            if b'name="data"' in head
        ]
    )


def _some(values: list[bytes]) -> list[bytes]:
    if not values:
        raise UnusableError("no_data_field")
    return values


def _plain(value: bytes) -> bytes:
    return value


def _plain_or_base64(value: bytes) -> bytes:
    return value if value.lstrip()[:1] in (b"[", b"{") else _decoded(value)


def _decoded(value: bytes) -> bytes:
    """Base64, standard or URL-safe, with or without its padding.

    Raises:
        UnusableError: It is none.
    """
    plain = value.strip().translate(_STANDARD).rstrip(b"=")
    if not _BASE64.fullmatch(plain):
        raise UnusableError("bad_base64")
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error as error:
        raise UnusableError("bad_base64") from error
