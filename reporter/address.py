"""Where the collector is: told once, or asked for now and then.

asked ──▶ the address it names ─ fails ─▶ the last one that worked ─ none ─▶ default
"""

from time import monotonic
from urllib.parse import urlsplit

from reporter.http import HttpError, get

EVERY = 600.0
"""Seconds between two questions."""

_LONGEST = 2_000


class Address:
    """A collector's address that can move.

    Args:
        default: Used until another one is known.
        ask: URL of a text that holds the address; empty if it never moves.
        every: Seconds between two questions, also after one that failed.
    """

    def __init__(self, default: str, ask: str = "", every: float = EVERY) -> None:
        """Asks nothing yet."""
        self._known = default
        self._ask = ask
        self._every = every
        self._next = 0.0

    def current(self) -> str:
        """The address; asks for it when it's time to. For sinks, on their threads."""
        if self._ask and monotonic() >= self._next:
            self._next = monotonic() + self._every
            try:
                told = get(self._ask, _LONGEST).decode("ascii").strip()
                if is_address(told):
                    self._known = told
            except (HttpError, OSError, ValueError):
                pass  # what is known stays
        return self._known


def is_address(text: str) -> bool:
    """Whether a text is one http address and nothing else."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    is_plain = text.isprintable() and " " not in text
    return bool(
        is_plain
        and parts.scheme in ("http", "https")
        and parts.hostname
        and not parts.fragment
        and port != 0
    )
