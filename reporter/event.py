"""An event, written down the moment it is reported."""

import json
import secrets
from collections.abc import Mapping
from time import time
from typing import Any, NamedTuple

LARGEST = 128 * 1024
"""Bytes of one event: a batch of one must pass the collector's door."""


class UnusableError(ValueError):
    """It can't be written as JSON, or is too large."""


class Event(NamedTuple):
    """What happened.

    Attributes:
        id: Its own, so that it can be sent again and counts once.
        name: What happened.
        at: When, in seconds since the epoch.
        encoded: All of it as JSON: {"id", "event", "at", "properties"}.
    """

    id: str
    name: str
    at: float
    encoded: str

    @property
    def properties(self) -> dict[str, Any]:
        """Its properties, as JSON has them."""
        found: dict[str, Any] = json.loads(self.encoded)["properties"]
        return found


def written(
    event_id: str, name: str, at: float, properties: Mapping[str, Any]
) -> Event:
    """Writes an event; whatever becomes of the properties later, it stays.

    Values that JSON doesn't know (dates, ids of other libraries) become text.

    Raises:
        UnusableError: It can't be written.
    """
    told = {"id": event_id, "event": name, "at": at, "properties": dict(properties)}
    try:
        encoded = json.dumps(told, default=str, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UnusableError(str(error)) from error
    if len(encoded) > LARGEST:  # ASCII: as many bytes as characters
        raise UnusableError(f"{len(encoded)} bytes, {LARGEST} at most")
    return Event(event_id, name, at, encoded)


def new(name: str, properties: Mapping[str, Any]) -> Event:
    """An event that happens now.

    Raises:
        UnusableError: It can't be written.
    """
    if not isinstance(name, str) or not name:
        raise UnusableError("an event needs a name")
    return written(secrets.token_hex(16), name, time(), properties)
