"""What the server and the storer say to each other.

server ──▶ Asked, as many as wait ──▶ storer ──▶ one Told for all of them ──▶ server

    length (4) │ length of the body (4) │ msgpack │ body

A body goes as it is: tens of kilobytes are not copied where they needn't be.
"""

import struct

import msgspec

_LENGTHS = struct.Struct("<II")


class Asked(msgspec.Struct, array_like=True):
    """A request that is to be judged and stored; its body goes beside it.

    Attributes:
        source: Who says that it sent it.
        domain: The sending domain of its path secret.
        received_at: Microseconds since the epoch.
        headers: Those that its verifier reads.
        once: What the server's verdict says may come with one body only; None where
            the storer is to verify.
    """

    source: str
    domain: str
    received_at: int
    headers: dict[bytes, bytes]
    once: bytes | None = None


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What a request is told.

    Attributes:
        status: The HTTP status.
        reason: For metrics and logs.
    """

    status: int
    reason: str


class Told(msgspec.Struct, array_like=True):
    """What became of a group.

    Attributes:
        answers: One for each request, in their order.
        seconds: What the disk took.
    """

    answers: list[Answer]
    seconds: float


_ENCODER = msgspec.msgpack.Encoder()
asked = msgspec.msgpack.Decoder(Asked).decode
told = msgspec.msgpack.Decoder(Told).decode


def frame(message: Asked | Told, body: bytes = b"") -> tuple[bytes, bytes]:
    """A message as it is sent, in two pieces."""
    encoded = _ENCODER.encode(message)
    return _LENGTHS.pack(len(encoded), len(body)) + encoded, body


def take(received: memoryview) -> tuple[list[tuple[memoryview, memoryview]], int]:
    """Tells whole messages from what has not come whole yet.

    Args:
        received: Bytes so far.

    Returns:
        Messages and their bodies, and how many bytes they are in all.
    """
    messages, begin = [], 0
    while len(received) >= begin + _LENGTHS.size:
        length, of_body = _LENGTHS.unpack_from(received, begin)
        first = begin + _LENGTHS.size
        middle, end = first + length, first + length + of_body
        if len(received) < end:
            break
        messages.append((received[first:middle], received[middle:end]))
        begin = end
    return messages, begin
