"""Which stretch of time a lane asks for; pure, the clock is given.

    SINCE ─────────────╮
    stored cursor ─────┴─▶ window [begin, end) ──▶ pages ──▶ the next stored cursor

Today there is one lane, `latest`, which moves forward. The lanes that follow it
(missing, scheduled) get their windows here as well.

Every instant is a whole number of microseconds since the epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SECOND = 1_000_000
DAY = 86_400 * SECOND

HEAD_LAG = 60 * SECOND
"""The last minute is left alone: providers are still storing it."""

LONGEST_RETENTION = 30 * DAY
"""No plan of Mailgun keeps events longer."""

SHORTEST_TRUST_WINDOW = 1_800
"""Seconds. Mailgun stores some events half an hour late."""


class Window(NamedTuple):
    """A half-open stretch of time, [begin, end)."""

    begin: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask for."""
        return self.end <= self.begin


def latest(now: int, cursor: int | None, since: int | None) -> Window:
    """The window of the lane that moves forward.

    Args:
        now: The clock.
        cursor: Where the lane stopped; None before its first run, or to read all.
        since: Where the first run begins; None for all that the provider keeps.
    """
    begin = cursor
    if begin is None:
        begin = since if since is not None else now - LONGEST_RETENTION
    return Window(begin, now - HEAD_LAG)


@dataclass
class Reach:
    """How far a window has been read, page by page.

    Events come in the order of time, but a provider's word is no proof. Until the end,
    only what lies before the last page counts as read: an event that came too early
    within it must not hide those that follow.

    Attributes:
        window: What is being read.
        through: Everything of the window before this instant has been read.
        last: The last event read.
    """

    window: Window
    through: int = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has been read."""
        self.through = self.last = self.window.begin

    def page(self, occurred_at: Sequence[int]) -> None:
        """Takes in a page's events, those that the window does not hold aside."""
        begin, end = self.window
        inside = occurred_at
        if inside and not begin <= min(inside) <= max(inside) < end:
            inside = [at for at in occurred_at if begin <= at < end]
        if inside:
            self.through = min(inside)
            self.last = max(self.last, *inside)

    def end(self) -> None:
        """Takes in that there are no more pages."""
        self.through = self.last


def stored_cursor(before: int, reach: int, now: int, trust_window: int) -> int:
    """Where the next run begins: nothing that may still be filling in is passed.

    Args:
        before: The cursor so far, or where the first window began; never gone back
            behind.
        reach: How far the window has been read.
        now: The clock.
        trust_window: Seconds after which the provider's storage is stable.
    """
    return max(before, min(reach, now - trust_window * SECOND))
