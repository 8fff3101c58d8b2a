r"""One record: a request's body, framed so that what is torn or damaged can be told.

    magic (4) │ length (4) │ checksum (8) │ payload, msgpack

Integers are little-endian. The checksum is the first eight bytes of SHA-256 (which
processors know how to do) of the segment's name, place, length and payload. A reader
that finds a frame which doesn't hold looks for the next one that does; what a sender
puts into a body can't pass for one, since nobody outside knows the names.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

MAGIC = b"\xffTb1"
HEADER = struct.Struct("<4sI8s")
_PLACE = struct.Struct("<QI")
_BYTES = struct.Struct(">BI")

LARGEST = 8 * 1024 * 1024
"""Bytes of a payload; twice what the door takes. A greater length is damage."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What one request brought.

    Attributes:
        request_id: Unique; sorts in the order of receipt.
        source: Who sent it, as `raw` calls it: sendgrid, mailgun, spade, ….
        domain: The sending domain that its path secret stands for; empty for none.
        received_at: Microseconds since the epoch.
        body: Its bytes, inflated, otherwise as they were signed.
    """

    request_id: str
    source: str
    domain: str
    received_at: int
    body: bytes


class Frame(NamedTuple):
    """A record, and where it lies in its segment."""

    record: Record
    begin: int
    end: int


class Gap(NamedTuple):
    """Bytes that are no record, up to the next one or to the end."""

    begin: int
    end: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


def new_request_id(received_at: int) -> str:
    """A request's name.

    Args:
        received_at: Microseconds since the epoch.
    """
    seconds, rest = divmod(received_at, 1_000_000)
    return f"{_stamp(seconds)}.{rest:06}-{os.urandom(8).hex()}"


@lru_cache(maxsize=8)
def _stamp(seconds: int) -> str:
    """Seconds since the epoch in words; asked for thousands of times in each."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}"


def encode(record: Record, segment: str, at: int) -> tuple[bytes, bytes]:
    """The record as a frame, in two pieces: the second is its body, not copied.

    Args:
        record: What was received.
        segment: Name of the segment that it is for.
        at: Where in the segment it is to stand.

    Raises:
        ValueError: It is larger than LARGEST.
    """
    head, body = _ENCODER.encode(replace(record, body=b"")), record.body
    # Instead of no bytes (two bytes say so), so many: as msgpack writes them.
    head = head[:-2] + _BYTES.pack(0xC6, len(body))
    size = len(head) + len(body)
    if size > LARGEST:
        raise ValueError(f"a record of {size} bytes: {LARGEST} at most")
    checksum = _checksum(segment, at, size, head, body)
    return HEADER.pack(MAGIC, size, checksum) + head, body


def scan(data: bytes, segment: str, offset: int = 0) -> Iterator[Frame | Gap]:
    """All records in some bytes of a segment, and the gaps between them.

    Args:
        data: The bytes.
        segment: Its name.
        offset: Where in the segment they begin.
    """
    at = 0
    while at < len(data):
        frame = _frame(data, at, segment, offset)
        if frame is not None:
            yield frame
            at = frame.end - offset
            continue
        begin, at = at, _next_frame(data, at + 1, segment, offset)
        yield Gap(offset + begin, offset + at)


def _next_frame(data: bytes, at: int, segment: str, offset: int) -> int:
    """Where in the data the next frame that holds begins; its end if there is none."""
    while (at := data.find(MAGIC, at)) >= 0:
        if _frame(data, at, segment, offset) is not None:
            return at
        at += 1
    return len(data)


def _frame(data: bytes, at: int, segment: str, offset: int) -> Frame | None:
    if len(data) < at + HEADER.size:
        return None
    magic, length, checksum = HEADER.unpack_from(data, at)
    begin = at + HEADER.size
    if magic != MAGIC or length > LARGEST or len(data) < begin + length:
        return None
    payload = data[begin : begin + length]
    if checksum != _checksum(segment, offset + at, length, payload):
        return None
    try:
        record = _DECODER.decode(payload)
    except msgspec.MsgspecError:
        return None
    return Frame(record, offset + at, offset + begin + length)


def _checksum(segment: str, at: int, size: int, *payload: bytes) -> bytes:
    digest = hashlib.sha256(segment.encode() + _PLACE.pack(at, size))
    for piece in payload:
        digest.update(piece)
    return digest.digest()[:8]
