"""A request's body: whole, inflated, and never larger than it may be.

chunks ──▶ counted against what all may hold ──▶ inflated piece by piece ──▶ bytes
"""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from collector.verdict import Headers

LARGEST = 4 * 1024 * 1024
"""Bytes of a body, as it comes and inflated."""

MOST_WAITING = 64 * 1024 * 1024
"""Bytes of all bodies that are being read or wait for the disk."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyError(Exception):
    """A body can't be taken.

    Attributes:
        status: What the sender is told.
        reason: For metrics and logs.
    """

    def __init__(self, status: int, reason: str) -> None:
        """Says why."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


class GoneError(Exception):
    """The sender went away before all was said."""


class Room:
    """Room for the bodies that are in hand.

    Args:
        size: Bytes that there is room for.
    """

    def __init__(self, size: int = MOST_WAITING) -> None:
        """Nobody is in yet."""
        self.size = size
        self.held = 0


class Held:
    """A request's share of the room, given back in the end.

    Args:
        room: Whose it is.
    """

    def __init__(self, room: Room) -> None:
        """Holds nothing yet."""
        self._room = room
        self._size = 0

    def __enter__(self) -> "Held":
        """Begins."""
        return self

    def __exit__(self, *_: object) -> None:
        """Gives it back."""
        self._room.held -= self._size

    def take(self, size: int) -> None:
        """Takes more.

        Raises:
            BodyError: There is none; the sender is to come again.
        """
        if self._room.held + size > self._room.size:
            raise BodyError(503, "no_room")
        self._room.held += size
        self._size += size


def expected(headers: Headers) -> "Inflater":
    """What inflates the body that some headers announce.

    Raises:
        BodyError: It is too large, or encoded in a way that nobody here knows.
    """
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > LARGEST:
        raise BodyError(413, "too_large")
    kind = _INFLATERS.get(headers.get(b"content-encoding", b"").strip().lower())
    if kind is None:
        raise BodyError(415, "unknown_encoding")
    return kind()


async def read(receive: Receive, inflater: "Inflater", held: Held) -> bytes:
    """Reads a body to its end.

    Raises:
        BodyError: It can't be taken.
        GoneError: The sender left.
    """
    body: bytes | bytearray = b""
    came, is_more = 0, True
    while is_more:
        message = await receive()
        if message["type"] != "http.request":
            raise GoneError
        chunk: bytes = message.get("body", b"")
        is_more = message.get("more_body", False)
        came += len(chunk)
        inflated = inflater.inflate(chunk, LARGEST + 1 - len(body))
        if came > LARGEST or len(body) + len(inflated) > LARGEST:
            raise BodyError(413, "too_large")
        held.take(len(inflated))
        if body:
            body = body if isinstance(body, bytearray) else bytearray(body)
            body += inflated
        else:  # most come in one piece, which is not copied
            body = inflated
    inflater.end()
    return bytes(body)


class Inflater:
    """Takes bytes as they are."""

    def inflate(self, chunk: bytes, most: int) -> bytes:
        """What a chunk stands for, at most so many bytes of it."""
        return chunk[:most]

    def end(self) -> None:
        """The last chunk has come."""


class _Gzip(Inflater):
    """Inflates one member; whatever follows it is no part of it."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=31)

    def inflate(self, chunk: bytes, most: int) -> bytes:
        try:
            inflated = self._inflater.decompress(chunk, most)
        except zlib.error as error:
            raise BodyError(400, "bad_encoding") from error
        if self._inflater.unused_data:
            raise BodyError(400, "bad_encoding")
        return inflated

    def end(self) -> None:
        if not self._inflater.eof:
            raise BodyError(400, "bad_encoding")


class _Deflate(_Gzip):
    """HTTP means zlib's format; some send the bare stream."""

    def __init__(self) -> None:
        super().__init__()
        self._first = b""
        self._is_begun = False

    def inflate(self, chunk: bytes, most: int) -> bytes:
        if not self._is_begun:
            self._first += chunk
            if len(self._first) < 2:
                return b""
            flags = int.from_bytes(self._first[:2], "big")
            is_zlib = flags >> 8 & 0x0F == zlib.DEFLATED and flags % 31 == 0
            self._inflater = zlib.decompressobj(wbits=15 if is_zlib else -15)
            self._is_begun, chunk = True, self._first
        return super().inflate(chunk, most)


_INFLATERS: dict[bytes, type[Inflater]] = {
    b"": Inflater,
    b"identity": Inflater,
    b"gzip": _Gzip,
    b"x-gzip": _Gzip,
    b"deflate": _Deflate,
}
