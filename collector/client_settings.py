"""Which clients may send events, and what of them is kept.

COLLECTOR__ALLOWED_PROPERTIES, …__ALLOWED_ORIGINS, …__CLIENT_KEYS, …__CLIENT_RATE
"""

import json
import re
from types import MappingProxyType
from typing import Any, NamedTuple

from collector.client_form import Allowed
from collector.settings import SettingsError as DoorSettingsError
from collector.settings import setting, texts, variable

_PROPERTIES = "allowed_properties"
_ORIGINS = "allowed_origins"
_KEYS = "client_keys"
_RATE = "client_rate"

RATE = 500
"""Requests a second, of all clients together."""

_ORIGIN = re.compile(r"https?://[^/\s?#]+", re.IGNORECASE)


class SettingsError(DoorSettingsError):
    """One of the clients' settings makes no sense."""

    page = "docs/client-events.md"


class Clients(NamedTuple):
    """What the settings say.

    Attributes:
        allowed: Properties that are kept, for each event.
        origins: Pages that may send.
        keys: Of senders that are no browser; none if they need none.
        rate: Requests a second.
        is_local: Whether senders without an origin need no key, as long as no key is
            set: on loopback only.
    """

    allowed: Allowed = MappingProxyType({})
    origins: frozenset[bytes] = frozenset()
    keys: tuple[bytes, ...] = ()
    rate: int = RATE
    is_local: bool = False

    @property
    def is_told(self) -> bool:
        """Whether any setting speaks of clients."""
        return bool(self.allowed or self.origins or self.keys)


def clients(*, is_local: bool = False) -> Clients:
    """Reads the settings.

    Args:
        is_local: Whether only this machine can reach the door.

    Raises:
        SettingsError: One makes no sense.
    """
    try:
        return _clients(is_local=is_local)
    except DoorSettingsError as error:
        raise SettingsError(str(error)) from error  # with our page


def _clients(*, is_local: bool) -> Clients:
    origins = [origin.rstrip("/").lower() for origin in texts(_ORIGINS)]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"{variable(_ORIGINS)}: {origin!r} is no origin: write scheme and "
                "host, like https://app.example.com"
            )
    return Clients(
        _allowed(),
        frozenset(origin.encode() for origin in origins),
        tuple(key.encode() for key in texts(_KEYS)),
        _rate(),
        is_local,
    )


def _allowed() -> Allowed:
    value = _parsed(_PROPERTIES)
    is_map = isinstance(value, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in value.values()
    )
    if value is not None and not is_map:
        raise SettingsError(
            f"{variable(_PROPERTIES)}: write events and the properties that are kept "
            'of each, like {"page_viewed": ["account_id", "path"]}'
        )
    return {event: frozenset(names) for event, names in (value or {}).items()}


def _rate() -> int:
    value = setting(_RATE)
    if value is None:
        return RATE
    try:
        rate = int(value)
    except (TypeError, ValueError):
        rate = 0
    if rate < 1:
        raise SettingsError(f"{variable(_RATE)}: write requests a second, like {RATE}")
    return rate


def _parsed(name: str) -> Any:
    value = setting(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise SettingsError(f"{variable(name)} is no JSON") from error
