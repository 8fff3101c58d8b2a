"""The little of HTTP/1.1 that a stand-in needs: one request after another.

Requests with a body must tell its length; connections are kept alive. A response
may be late, cut short, or not come at all, for that is what it is here to play.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal, cast
from urllib.parse import parse_qs, unquote, urlsplit

LONGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers that are read."""

LONGEST_BODY = 64 * 1024
"""Bytes of a request's body that are read."""

_SEND_BUFFER = 1024 * 1024
"""Room for a whole page, so that one system call sends it."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole.

    Attributes:
        method: In upper case.
        path: Decoded, without the query.
        query: Every value of every parameter, blank ones too.
        headers: By lower-case name; the last wins.
        body: Bytes.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    Attributes:
        status: HTTP status.
        body: Pieces, sent one after another as they are.
        headers: Beside Content-Length and Content-Type, which is always JSON.
        ending: `whole`; `truncated`: half the body, then the end; `reset`: nothing,
            the connection breaks.
        delay: Seconds to wait before sending.
    """

    status: HTTPStatus
    body: tuple[bytes | memoryview, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Literal["whole", "truncated", "reset"] = "whole"
    delay: float = 0.0


class BadRequestError(ValueError):
    """What came is not HTTP that is understood here."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        """Says why, and which status tells the client."""
        super().__init__(message)
        self.status = status


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        """Waits for the client to connect.

        Args:
            answer: Makes a response of a request; must not raise.
        """
        self._answer = answer
        self._received = bytearray()
        self._is_waiting = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Someone connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def data_received(self, data: bytes) -> None:
        """More of a request came."""
        self._received += data
        self._go_on()

    @property
    def _socket(self) -> socket.socket:
        return cast(socket.socket, self._transport.get_extra_info("socket"))

    def _go_on(self) -> None:
        """Answers what has come whole, one request after another."""
        while not (self._is_waiting or self._transport.is_closing()):
            try:
                request = take_request(self._received)
            except BadRequestError as problem:
                self._send(Response(problem.status, (str(problem).encode(),)))
                self._transport.close()
                return
            if request is None:
                return
            response = self._answer(request)
            if response.delay:
                self._is_waiting = True
                loop = asyncio.get_running_loop()
                loop.call_later(response.delay, self._send_late, request, response)
            else:
                self._finish(request, response)

    def _send_late(self, request: Request, response: Response) -> None:
        self._is_waiting = False
        if not self._transport.is_closing():
            self._finish(request, response)
            self._go_on()

    def _finish(self, request: Request, response: Response) -> None:
        self._send(response)
        if request.headers.get("connection", "").lower() == "close":
            self._transport.close()

    def _send(self, response: Response) -> None:
        if response.ending == "reset":
            self._socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
            )
            self._transport.abort()
            return
        length = sum(map(len, response.body))
        lines = [
            f"HTTP/1.1 {response.status.value} {response.status.phrase}",
            "Content-Type: application/json",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if response.ending == "truncated":
            half = b"".join(response.body)[: length // 2]
            self._transport.write(head + half)
            self._transport.close()
        else:
            self._transport.writelines((head, *response.body))


def take_request(received: bytearray) -> Request | None:
    """Takes a whole request off the front of what was received.

    Args:
        received: Bytes so far; a request that is whole is removed.

    Returns:
        The request, or None while it isn't whole.

    Raises:
        BadRequestError: It never will be one.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0 and len(received) <= LONGEST_HEAD:
        return None
    if not 0 <= end <= LONGEST_HEAD:
        raise BadRequestError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head too long"
        )
    first, *rest = received[:end].decode("latin-1").split("\r\n")
    try:
        method, target, version = first.split(" ")
    except ValueError as error:
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "no request line") from error
    if version != "HTTP/1.1":
        raise BadRequestError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in rest)
    }
    stop = end + 4 + _length_of_body(headers)
    if len(received) < stop:
        return None
    body = bytes(received[end + 4 : stop])
    del received[:stop]
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    return Request(method, unquote(parts.path), query, headers, body)


def _length_of_body(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError(HTTPStatus.LENGTH_REQUIRED, "tell the body's length")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
    if int(length) > LONGEST_BODY:
        raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body too long")
    return int(length)
