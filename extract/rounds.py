"""One tick of a source: the lanes of all its domains, in turn, in few packages.

    latest of each domain ──▶ missing of each ──▶ scheduled of each
            ╰──── what is small goes into one package of dlt ────╯

Latest comes first, so neither a backfill nor a second reading delays it by more than
a tick. Time is shared like events: each lane gets its part of what is left, so that
one domain's backlog does not keep the others waiting.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract.backfills import Backfill, Desk
from extract.lanes import Ended, Fetched, Halt, Lane
from extract.lateness import Lateness
from extract.stands import Stands
from extract.tables import Table
from extract.windows import PAGE, Errand, LaneName, Tick, Window, scheduled

FIRST_REST = 30.0
"""Seconds for which a domain is left alone after a failure; doubles with each."""

LONGEST_REST = 900.0
"""Seconds."""


@dataclass
class Memory:
    """What one process knows from tick to tick; lost with it, harmlessly.

    Attributes:
        resume: Where a quiet lane begins next, with the cursor that this holds for.
        failures: Ticks in a row in which a domain could not be read.
        rests_until: When it is asked again, by the clock that never goes back.
        said: What its host said last.
        lateness: The measure of each domain.
        statistics_asked: When a domain's statistics were asked for, in microseconds.
    """

    resume: dict[tuple[str, LaneName], tuple[int, int]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    rests_until: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    lateness: dict[str, Lateness] = field(default_factory=dict)
    statistics_asked: dict[str, int] = field(default_factory=dict)

    def begin(self, domain: str, lane: LaneName, cursor: int | None) -> int | None:
        """Where a lane begins."""
        known = self.resume.get((domain, lane))
        return known[1] if known and known[0] == cursor else cursor

    def note(self, domain: str, is_failed: bool, message: str) -> None:
        """Takes in how reading a domain went."""
        if not is_failed:
            for known in (self.failures, self.rests_until, self.said):
                known.pop(domain, None)
            return
        times = self.failures[domain] = self.failures.get(domain, 0) + 1
        self.said[domain] = message
        self.rests_until[domain] = monotonic() + rest(times)


def rest(failures: int) -> float:
    """Seconds for which a domain is left alone after so many failures in a row."""
    return float(min(FIRST_REST * 2.0 ** min(failures - 1, 10), LONGEST_REST))


@dataclass(frozen=True)
class Rules:
    """What a round keeps to.

    Attributes:
        source: Name of the source.
        domains: Whose events, in the order of reading.
        trust_window: Seconds after which the provider's storage is stable.
        max_events: Events of each domain; None for no limit.
        since: Where to begin when nothing is known; None for all that is kept.
        everything: Whether to read all since then once more.
        seconds: After which to hand over to whoever waits; None for no limit.
    """

    source: str
    domains: tuple[str, ...]
    trust_window: int
    max_events: int | None
    since: int | None
    everything: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
class Reading:
    """How a lane's run ended, or why there was none.

    Attributes:
        domain: Whose events.
        lane: Which lane; None if the domain was not asked at all.
        ended: How.
        message: What is to be said about it.
    """

    domain: str
    lane: Lane | None
    ended: Ended
    message: str


class Round:
    """A tick; a context manager, which stops fetching when it is left.

    Args:
        rules: What it keeps to.
        now: The clock.
        stands: Where the lanes stand; kept up to date.
        memory: What this process knows.
        desk: Where backfills are asked for.
        pages: Makes the pages of a domain's window.
        warehouse: Where events are looked for that are there already.
        on_page: Called after each page.
        is_ending: Whether the process was asked to end.

    Attributes:
        readings: Of what is loaded.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        now: int,
        stands: Stands,
        memory: Memory,
        desk: Desk,
        pages: Callable[[str, Window], Iterator[Fetched]],
        warehouse: duckdb.DuckDBPyConnection,
        on_page: Callable[[Lane], None],
        is_ending: Callable[[], bool],
    ) -> None:
        """Asks for nothing yet."""
        self.readings: list[Reading] = []
        self._rules = rules
        self._now = now
        self._stands = stands
        self._memory = memory
        self._desk = desk
        self._pages = pages
        self._warehouse = warehouse
        self._on_page = on_page
        self._is_ending = is_ending
        self._ends_at = None if rules.seconds is None else monotonic() + rules.seconds
        self._deadline: float | None = None
        self._backfill: Backfill | None = None
        self._ticks: dict[str, Tick] = {}
        self._unloaded: list[Reading] = []
        self._lane: Lane | None = None
        self._turns = self._take_turns()

    def __enter__(self) -> Self:
        """Takes the backfill that was asked for, if one was."""
        if not self._rules.everything:
            self._backfill = self._desk.take()
        if self._backfill and self._stands.backfill_id != self._backfill.backfill_id:
            self._stands.backfill_id = self._backfill.backfill_id
            self._stands.backfill = {}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops fetching."""
        if self._lane is not None:
            self._lane.__exit__(kind, error, traceback)
        self._turns.close()

    def has_more(self) -> bool:
        """Whether there is anything for another package; begins to fetch it."""
        if self._lane is None:
            self._lane = next(self._turns, None)
        return self._lane is not None

    def package(self) -> Iterator[tuple[Table, pa.Table]]:
        """Rows of one package: of as many lanes as end before it is full.

        Yields:
            Rows with the table that they are for. Once it is exhausted, `stands`
            covers what it yielded.
        """
        seen: set[str] = set()
        while self.has_more():
            lane = self._lane
            if lane is None:
                return
            yield from lane.part(lambda lane=lane: self._on_page(lane), seen)  # type: ignore[misc]  # bound at once
            if lane.is_noted:
                self._stands.move(
                    lane.domain,
                    lane.name,
                    lane.cursor,
                    self._ticks[lane.domain].first_begin,
                )
            if lane.outcome is None:
                return
            lane.__exit__(None, None, None)
            self._lane = None
            self._take_in(lane, lane.outcome)

    def write(self, state: dict[str, Any]) -> None:
        """Writes where the lanes stand now, to be committed with the package."""
        self._stands.write(state)

    def loaded(self) -> None:
        """Takes in that what was yielded is in the warehouse.

        Raises:
            OSError: The state folder can't be written.
        """
        for reading in self._unloaded:
            lane = reading.lane
            if lane is not None and lane.is_noted:
                self._remember(lane)
                self.readings.append(reading)
        self._unloaded.clear()
        if self._backfill is not None:
            self._backfill = self._desk.progress(
                self._backfill, self._stands.backfill, self._rules.domains
            )

    def _remember(self, lane: Lane) -> None:
        if lane.name != "scheduled" and lane.cursor is not None and lane.resume:
            self._memory.resume[lane.domain, lane.name] = lane.cursor, lane.resume

    def _take_in(self, lane: Lane, ended: Ended) -> None:
        self._unloaded.append(Reading(lane.domain, lane, ended, lane.message))
        tick = self._ticks[lane.domain]
        tick.read += lane.read
        if not lane.is_noted:
            through = lane.reach.last if ended != "ok" else lane.window.end
            lateness = self._memory.lateness[lane.domain]
            lateness.looked(self._now, None if ended == "failed" else through)
        elif lane.name == "latest":
            self._memory.note(lane.domain, ended == "failed", lane.message)
            if ended == "failed" and not lane.read:
                del self._ticks[lane.domain]  # its host has enough trouble

    def _take_turns(self) -> Generator[Lane, None, None]:
        """The lanes to read, one after the other, each within its block."""
        for domain, left in _counted_down(self._rules.domains):
            yield from self._start(domain, self._latest(domain), left)
        if self._rules.everything:
            return
        second = tuple(self._ticks)
        for domain, left in _counted_down(second):
            tick = self._ticks[domain]
            yield from self._start(domain, self._look(domain), None, is_noted=False)
            shared = self._backfill is not None
            yield from self._start(domain, tick.missing(shared=shared), 2 * left)
        for domain, left in _counted_down(second):
            if self._backfill is None or self._desk.is_cancelled(self._backfill):
                return
            window = scheduled(
                self._backfill.begin,
                self._backfill.end,
                self._stands.backfill.get(domain),
                self._now,
            )
            yield from self._start(domain, self._ticks[domain].scheduled(window), left)

    def _latest(self, domain: str) -> Errand | None:
        rules, memory = self._rules, self._memory
        seconds = memory.rests_until.get(domain, 0.0) - monotonic()
        if seconds > 0 and not rules.everything:
            message = (
                f"{memory.said[domain]} (failed {memory.failures[domain]} times in a "
                f"row; asked again in {seconds:.0f} s)"
            )
            self.readings.append(Reading(domain, None, "failed", message))
            return None
        stand = self._stands.stand(domain)
        tick = self._ticks[domain] = Tick(
            now=self._now,
            trust_window=rules.trust_window,
            max_events=rules.max_events,
            since=rules.since,
            stand=replace(
                stand,
                latest=memory.begin(domain, "latest", stand.latest),
                missing=memory.begin(domain, "missing", stand.missing),
            ),
            newest=None if stand.latest is not None else self._newest(domain),
        )
        return tick.everything() if rules.everything else tick.latest()

    def _look(self, domain: str) -> Errand | None:
        tick = self._ticks[domain]
        lateness = self._memory.lateness.setdefault(
            domain, Lateness(self._rules.trust_window)
        )
        if tick.max_events is not None and tick.max_events - tick.read < 2 * PAGE:
            return None
        return lateness.look(self._now, tick.latest_begin or 0)

    def _start(
        self,
        domain: str,
        errand: Errand | None,
        left: int | None,
        *,
        is_noted: bool = True,
    ) -> Iterator[Lane]:
        """A lane within its block; none when it has to wait or nothing to do.

        Args:
            domain: Whose.
            errand: What to read.
            left: Lanes that share the time that is left; None: it is short anyway.
            is_noted: Whether its cursor moves and its run gets a row.
        """
        if errand is None or errand.window.is_empty or self._is_ending():
            return
        begun = monotonic()
        self._deadline = None
        if self._ends_at is not None and left is not None:
            if begun >= self._ends_at and errand.lane != "latest":
                return
            self._deadline = begun + (self._ends_at - begun) / left
        if errand.lane == "scheduled":
            cursor = self._stands.backfill.get(domain)
        else:
            cursor = getattr(self._stands.stand(domain), errand.lane)
        lane = Lane(
            source=self._rules.source,
            domain=domain,
            errand=errand,
            cursor=cursor,
            now=self._now,
            pages=self._pages(domain, errand.window),
            warehouse=self._warehouse,
            halt=lambda: self._halt(errand.lane),
            lateness=(
                self._memory.lateness.get(domain) if errand.lane == "missing" else None
            ),
            is_noted=is_noted,
        )
        lane.__enter__()
        yield lane

    def _halt(self, lane: LaneName) -> Halt | None:
        if self._is_ending():
            return "asked to end"
        if lane == "scheduled" and (
            self._backfill is None or self._desk.is_cancelled(self._backfill)
        ):
            return "cancelled"
        if self._deadline is not None and monotonic() >= self._deadline:
            return "time is up"
        return None

    def _newest(self, domain: str) -> int | None:
        """The newest event that was polled; webhooks say nothing about lanes."""
        found = self._warehouse.execute(
            "select epoch_us(max(occurred_at)) from raw.mailgun_events"
            " where domain = ? and lane in ('latest', 'missing', 'scheduled')",
            [domain],
        ).fetchone()
        return found[0] if found else None


def _counted_down(domains: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Each with the number of those that are left, itself included."""
    for done, domain in enumerate(domains):
        yield domain, len(domains) - done
