"""Where events can go; any callable that takes a batch is a sink as well."""

import base64
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TextIO
from urllib.parse import urlencode

from reporter.address import Address
from reporter.event import Event, written
from reporter.http import HttpError, post
from reporter.lane import RefusedError

_FORM = "application/x-www-form-urlencoded"

_NEVER = (400, 413)
"""Statuses that the same bytes would get again."""


class Console:
    """Prints a line for each event.

    Args:
        stream: Where to; standard error, as it is then, if none is given.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """Keeps the stream."""
        self._stream = stream

    def __call__(self, events: Sequence[Event]) -> None:
        """Prints a batch."""
        stream = self._stream or sys.stderr
        stream.write(_lines(events))
        stream.flush()


class File:
    """Appends a line of JSON for each event.

    Args:
        path: The file; made when it isn't there.
    """

    def __init__(self, path: str | Path) -> None:
        """Opens nothing yet."""
        self._path = Path(path)

    def __call__(self, events: Sequence[Event]) -> None:
        """Appends a batch by one write, so that processes can share the file."""
        # Opened each time: it may be rotated away, and a child may fork.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            rest = memoryview(_lines(events).encode())
            while rest:
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)


class Spade:
    """Posts `data=` and base64 of a JSON array of {event, properties, id, at}.

    Args:
        address: The collector's `/spade`, with its key if it asks for one.
    """

    def __init__(self, address: str | Address) -> None:
        """Keeps the address."""
        self._address = _address(address)

    def __call__(self, events: Sequence[Event]) -> None:
        """Posts a batch."""
        _post(self._address, base64.b64encode(_array(events)).decode())


class Flume:
    """Posts JSON under `data`; only what its allow-list names leaves the process.

    Args:
        address: The collector's `/flume`, with its key if it asks for one.
        allowed: Names of properties for each event; other events stay here.
    """

    def __init__(
        self, address: str | Address, allowed: Mapping[str, Collection[str]]
    ) -> None:
        """Keeps both."""
        self._address = _address(address)
        self._allowed = {event: frozenset(names) for event, names in allowed.items()}

    def accepts(self, name: str) -> bool:
        """Whether an event may leave at all."""
        return name in self._allowed

    def __call__(self, events: Sequence[Event]) -> None:
        """Posts a batch."""
        kept = [self._kept(event) for event in events if self.accepts(event.name)]
        _post(self._address, _array(kept).decode())

    def _kept(self, event: Event) -> Event:
        allowed = self._allowed[event.name]
        properties = {
            name: value for name, value in event.properties.items() if name in allowed
        }
        return written(event.id, event.name, event.at, properties)


def _address(given: str | Address) -> Address:
    return given if isinstance(given, Address) else Address(given)


def _post(address: Address, data: str) -> None:
    try:
        post(address.current(), urlencode({"data": data}).encode(), _FORM)
    except HttpError as error:
        if error.status in _NEVER:
            raise RefusedError(str(error)) from error
        raise


def _array(events: Sequence[Event]) -> bytes:
    return f"[{','.join(event.encoded for event in events)}]".encode()


def _lines(events: Sequence[Event]) -> str:
    return "".join(f"{event.encoded}\n" for event in events)
