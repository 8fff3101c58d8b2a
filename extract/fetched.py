"""What reading a provider hands over to whoever loads it."""

from dataclasses import dataclass
from time import time_ns

from extract.decode import Page


@dataclass(frozen=True)
class Fetched:
    """A page with the keys of its events.

    Attributes:
        received_at: Microseconds since the epoch, by the real clock.
        size: Bytes of its body.
        page: What was read.
        keys: Event keys, in the order of the page's events.
    """

    received_at: int
    size: int
    page: Page
    keys: list[str]


def clock() -> int:
    """The real time, microseconds since the epoch."""
    return time_ns() // 1_000
