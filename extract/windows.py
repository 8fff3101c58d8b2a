"""Which stretch of time a lane asks for, and how much of it; pure, the clock is given.

| lane      | begins                                           | ends               |
|-----------|--------------------------------------------------|--------------------|
| latest    | where it stopped; else the newest stored event;  | now - 1 min        |
|           | else SINCE                                       |                    |
| missing   | where it stopped; else where latest began for    | now - trust window |
|           | the first time                                   | or where latest    |
|           |                                                  | began, the earlier |
| scheduled | where it stopped; else the given begin           | the given end      |

    Stand ──▶ Tick ──▶ Errand: window, budget ──▶ pages ──▶ Reach ──▶ cursor
                 ▲                                            │
                 ╰──── read so far ◀──────────────────────────┴──▶ caught_up

Whatever latest has read once, missing reads a second time when the provider's storage
is stable. It never passes where latest began: what latest has yet to read is latest's.

Every instant is a whole number of microseconds since the epoch; every window is half
open; one that ends before it begins asks for nothing, and is no error.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

LaneName = Literal["latest", "missing", "scheduled"]

SECOND = 1_000_000
DAY = 86_400 * SECOND

HEAD_LAG = 60 * SECOND
"""The last minute is left alone: providers are still storing it."""

FRESH = 2 * SECOND
"""An event younger than this may have neighbours in its second yet."""

LONGEST_RETENTION = 30 * DAY
"""No plan of Mailgun keeps events longer."""

SHORTEST_TRUST_WINDOW = 1_800
"""Seconds. Mailgun stores some events half an hour late."""

PAGE = 300
"""Events of a page; a lane that may read less than one waits for the next tick."""


class Window(NamedTuple):
    """A half-open stretch of time, [begin, end)."""

    begin: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask for."""
        return self.end <= self.begin


class Errand(NamedTuple):
    """What a lane is sent for.

    Attributes:
        lane: Its name.
        window: What to read.
        budget: Events after which to stop, softly (`Reach.may_stop`); None for no
            limit.
    """

    lane: LaneName
    window: Window
    budget: int | None


@dataclass(frozen=True)
class Stand:
    """Where the lanes of one domain stand; None before a lane's first run.

    Attributes:
        first_begin: Where latest began for the first time.
        latest: Where latest begins next.
        missing: Where missing begins next.
    """

    first_begin: int | None = None
    latest: int | None = None
    missing: int | None = None


@dataclass
class Tick:
    """What one tick asks for of one domain: latest first, then the others.

    Attributes:
        now: The clock.
        trust_window: Seconds after which the provider's storage is stable.
        max_events: Events of this domain for all lanes of the tick; None for no limit.
        since: Where to begin when nothing is known; None for all that is kept.
        stand: Where the lanes stand.
        newest: The newest stored event; only asked for while latest has no cursor.
        read: Events read so far in this tick.
        latest_begin: Where latest began in this tick; None until it was planned.
    """

    now: int
    trust_window: int
    max_events: int | None
    since: int | None
    stand: Stand
    newest: int | None = None
    read: int = 0
    latest_begin: int | None = None

    @property
    def first_begin(self) -> int:
        """Where latest began for the first time, and missing begins.

        A warehouse from before there was a second lane has stored where the only one
        stopped. That passed nothing that wasn't settled, so missing begins there. Not
        at the newest stored event, even if latest begins there: whoever lost the
        cursors can't tell what was settled.
        """
        known = (self.stand.first_begin, self.stand.latest, self._since)
        return next(at for at in known if at is not None)

    @property
    def _since(self) -> int:
        return self.now - LONGEST_RETENTION if self.since is None else self.since

    def latest(self) -> Errand:
        """The lane that moves forward."""
        known = (self.stand.latest, self.newest, self._since)
        begin = next(at for at in known if at is not None)
        self.latest_begin = begin
        return Errand("latest", Window(begin, self.now - HEAD_LAG), self.max_events)

    def everything(self) -> Errand:
        """All since SINCE once more; whoever asks for it wants no half of it."""
        self.latest_begin = self._since
        return Errand("latest", Window(self._since, self.now - HEAD_LAG), None)

    def missing(self, *, shared: bool = False) -> Errand | None:
        """The lane that reads a second time what has settled.

        Args:
            shared: Whether a backfill wants its part of what is left.

        Returns:
            None when it has to wait.

        Raises:
            ValueError: Latest comes first.
        """
        if self.latest_begin is None:
            raise ValueError("missing depends on where latest began: plan that first")
        settled = self.now - self.trust_window * SECOND
        stopped = self.stand.missing
        begin = self.first_begin if stopped is None else stopped
        window = Window(begin, min(settled, self.latest_begin))
        return self._errand("missing", window, shared=shared)

    def scheduled(self, window: Window) -> Errand | None:
        """A backfill's next stretch; None when it has to wait."""
        return self._errand("scheduled", window, shared=False)

    def _errand(self, lane: LaneName, window: Window, *, shared: bool) -> Errand | None:
        if self.max_events is None:
            return Errand(lane, window, None)
        left = self.max_events - self.read
        page = min(PAGE, max(self.max_events // 2, 1))
        if left < page:
            return None
        return Errand(lane, window, left // 2 if shared and left >= 2 * page else left)


def scheduled(begin: int, end: int, stopped: int | None, now: int) -> Window:
    """The window of a backfill.

    Args:
        begin: Given.
        end: Given; what is yet to come is not asked for.
        stopped: Where it stopped; None before it began.
        now: The clock.
    """
    return Window(begin if stopped is None else stopped, min(end, now - HEAD_LAG))


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
        events: Events read that lie in the window.
        is_whole: Whether there are no more pages.
    """

    window: Window
    through: int = field(init=False)
    last: int = field(init=False)
    events: int = 0
    is_whole: bool = False

    def __post_init__(self) -> None:
        """Nothing has been read."""
        self.through = self.last = self.window.begin

    @property
    def may_stop(self) -> bool:
        """Whether the next run would go on from a later instant than this one did.

        As long as everything sits on the first one, a lane that stopped would begin
        there again, for ever.
        """
        return self.through > self.window.begin

    def page(self, occurred_at: Sequence[int]) -> None:
        """Takes in a page's events, those that the window does not hold aside."""
        begin, end = self.window
        inside = occurred_at
        if inside and not begin <= min(inside) <= max(inside) < end:
            inside = [at for at in occurred_at if begin <= at < end]
        if inside:
            self.events += len(inside)
            self.through = min(inside)
            self.last = max(self.last, *inside)

    def end(self) -> None:
        """Takes in that there are no more pages."""
        self.through = self.last
        self.is_whole = True


def stopped_at(lane: LaneName, before: int, reach: Reach) -> int:
    """A lane's cursor: where it begins next time, after a restart too.

    Args:
        lane: Its name.
        before: The cursor so far, or where its first window began; never gone back
            behind.
        reach: How far the window has been read.
    """
    if lane == "scheduled" and reach.is_whole:
        return max(before, reach.window.end)  # nobody waits for more of it
    # Without events the window's begin says nothing: it may be a second ahead.
    return max(before, reach.through) if reach.events else before


def caught_up(reach: Reach, now: int) -> int | None:
    """Where a lane that has read all there was begins next, until a restart.

    A second after its last event, so that a quiet lane does not read that one again
    and again; never after the window's end, or what lies between would be skipped for
    good; never unless the window was read to its end, or the rest of that second would
    be. A lane that read its whole budget *and* the end goes on as well: else it would
    read the same instant at every tick, and leave nothing for the others.

    Args:
        reach: How far the window has been read.
        now: The clock.

    Returns:
        The instant; None to begin at the cursor.
    """
    if not reach.is_whole or not reach.events or reach.last >= now - FRESH:
        return None
    return min(reach.last + SECOND, reach.window.end)


def resumes_at(stopped: Iterable[int], end: int) -> int:
    """Where a lane over several domains stands: at the earliest that was cut short.

    Args:
        stopped: Where each domain stopped.
        end: Of the range; a domain that stopped there is done.
    """
    return min((at for at in stopped if at < end), default=end)
