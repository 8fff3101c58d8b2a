"""Runs one errand of one domain, part by part, and keeps the account of it.

    pages, fetched ahead ──▶ some at a time ──▶ held or seen? ──▶ events for raw
              │                                      ╰──▶ repeats, counted
              ├──▶ dead letters
              ├──▶ requests: events = loaded + repeated + dead, for every page
              ╰──▶ reach ──▶ cursor                    lane_runs, at the end ◀── tally

A part is what goes into one package of dlt: all of it is in the warehouse, or none
is. Repeats are taken out before they are loaded, because only then is the account of
a page exact.
"""

import secrets
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from time import monotonic, time_ns
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract.decode import DeadLetter, Events, Page, as_text, dead_letter_key
from extract.http import NotUnderstoodError, ProviderError
from extract.lateness import Lateness
from extract.prefetch import Prefetch
from extract.repeats import held_dead_letters, held_events
from extract.tables import DEAD_LETTERS, LANE_RUNS, MAILGUN_EVENTS, REQUESTS, Table
from extract.tally import Kinds, Tally
from extract.windows import SECOND, Errand, LaneName, Reach, caught_up, stopped_at

T = TypeVar("T")

Ended = Literal["ok", "failed", "cut_short", "cancelled"]
"""How a run of a lane ended; cut_short: in good order, before its window's end."""

Halt = Literal["cancelled", "time is up", "asked to end"]
"""Why a lane should end after the page in hand."""

AHEAD = 4 * 1024 * 1024
"""Bytes of pages that wait to be loaded."""

TOGETHER = 12 * 1024 * 1024
"""Bytes of pages that are compared with the warehouse in one query."""

ROW_GROUP = 122_880
"""Rows of a row group of DuckDB. An insert that fills one is written to the file at
once; a smaller one goes to the log first, and is compressed again and again as later
ones fill the group up. So a part of a long read has at least as many."""

LONGEST_PART = 60.0
"""Seconds after which what was read is loaded, however little it is."""

MOST_PAGES = 100_000
"""Pages of one run, 30 million events; the next run goes on from there."""

KINDS: Kinds = {
    "accepted": None,
    "rejected": None,
    "delivered": "delivered",
    "failed": "temporary_failures",  # what has no severity is temporary
    "failed/permanent": "permanent_failures",
    "opened": "opened",
    "clicked": None,
    "unsubscribed": "unsubscribed",
    "complained": "complained",
    "stored": None,
}
"""As what Mailgun's events are counted."""


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


@dataclass
class _Part:
    """What goes into one package beside the events."""

    seen: set[str]
    began: float = field(default_factory=monotonic)
    loaded: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether it is time to load it."""
        return self.loaded >= ROW_GROUP or monotonic() - self.began > LONGEST_PART


@dataclass
class _Rows:
    """New events of some pages, on their way to raw.mailgun_events."""

    event_key: list[str] = field(default_factory=list)
    event_id: list[str] = field(default_factory=list)
    event_name: list[str] = field(default_factory=list)
    occurred_at: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    payload: list[bytes] = field(default_factory=list)
    received_at: list[pa.Array] = field(default_factory=list)
    request_id: list[pa.Array] = field(default_factory=list)

    def add(self, fetched: Fetched, new: Sequence[int], request_id: str) -> None:
        """Adds those events of a page whose index is in `new`."""
        events = fetched.page.events

        def only_new(column: list[T]) -> list[T]:
            return column if len(new) == len(column) else [column[i] for i in new]

        self.event_key += only_new(fetched.keys)
        self.event_id += only_new(events.ids)
        self.event_name += only_new(events.names)
        self.occurred_at += only_new(events.occurred_at)
        self.position += only_new(events.positions)
        self.payload += only_new(events.bodies)
        self.received_at.append(pa.repeat(fetched.received_at, len(new)))
        self.request_id.append(pa.repeat(request_id, len(new)))

    def as_arrow(self, domain: str, lane: LaneName) -> pa.Table:
        """All of them, as one table."""
        count = len(self.event_key)
        instant = pa.timestamp("us", tz="UTC")
        columns = {
            "event_key": pa.array(self.event_key, pa.string()),
            "domain": pa.repeat(domain, count),
            "event_id": pa.array(self.event_id, pa.string()),
            "event_name": pa.array(self.event_name, pa.string()),
            "occurred_at": pa.array(self.occurred_at, pa.int64()).view(instant),
            "received_at": pa.concat_arrays(self.received_at).view(instant),
            "lane": pa.repeat(lane, count),
            "request_id": pa.concat_arrays(self.request_id),
            "position": pa.array(self.position, pa.int64()),
            "payload": texts(self.payload),
        }
        schema = MAILGUN_EVENTS.schema
        return pa.table([columns[name] for name in schema.names], schema=schema)


class Lane:
    """Reads one domain through one window.

    A context manager: fetching begins with the block and stops with it.

    Args:
        source: Name of the source.
        domain: Whose events.
        errand: What to read, and how much of it.
        cursor: Where the lane stopped, microseconds; None before its first run.
        now: The clock that the window was made from, microseconds.
        pages: The window's pages in the order of time; used by another thread.
        warehouse: Where events are looked for that are there already.
        halt: Asked after each page whether that was the last one, and why.
        lateness: Told of what is new; its figures go into the run's row. None: what
            is new says nothing about lateness.
        is_noted: Whether the run gets a row in raw.lane_runs.

    Attributes:
        cursor: Where the next run begins; covers what parts have yielded.
        tally: Counts so far.
        read: Items that the provider has served so far.
        reach: How far the window has been read.
        outcome: None while there is more to read.
        message: What is to be said about it.
        is_noted: As given.
    """

    def __init__(
        self,
        *,
        source: str,
        domain: str,
        errand: Errand,
        cursor: int | None,
        now: int,
        pages: Iterator[Fetched],
        warehouse: duckdb.DuckDBPyConnection,
        halt: Callable[[], Halt | None] = lambda: None,
        lateness: Lateness | None = None,
        is_noted: bool = True,
    ) -> None:
        """Asks for nothing yet."""
        self.source = source
        self.domain = domain
        self.name = errand.lane
        self.window = errand.window
        self.cursor = cursor
        self.tally = Tally()
        self.read = 0
        self.reach = Reach(errand.window)
        self.outcome: Ended | None = None
        self.message = ""
        self._began_at = clock()
        self._run_id = new_run_id(self._began_at)
        self._budget = errand.budget
        self._now = now
        self._warehouse = warehouse
        self._halt = halt
        self._lateness = lateness
        self.is_noted = is_noted
        self._pages_read = 0
        self._requests = 0
        self._warnings: Counter[str] = Counter()
        self._prefetch = Prefetch(pages, lambda fetched: fetched.size, AHEAD)
        self._pages = iter(self._prefetch)

    @property
    def resume(self) -> int | None:
        """Where the next run of this process begins; None for where any would."""
        is_clean = self.outcome == "ok"
        return caught_up(self.reach, self._now) if is_clean else None

    def __enter__(self) -> Self:
        """Begins to fetch."""
        self._prefetch.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops fetching."""
        self._prefetch.__exit__(kind, error, traceback)

    def part(
        self, on_page: Callable[[], None], seen: set[str]
    ) -> Iterator[tuple[Table, pa.Table]]:
        """Reads until there is enough for one package, or the window ends.

        Args:
            on_page: Called after each page.
            seen: Keys of what the package holds already; more are added.

        Yields:
            Rows with the table that they are for: events, some pages at a time (what
            dlt does for each table that it is given takes as long as loading a page),
            then the rest.
            Once it is exhausted, `cursor` covers what it yielded.
        """
        part = _Part(seen)
        for group in self._groups(part, on_page):
            keys = [key for fetched in group for key in fetched.keys]
            held = held_events(
                self._warehouse,
                MAILGUN_EVENTS.name,
                keys,
                (at for fetched in group for at in fetched.page.events.occurred_at),
            )
            rows = _Rows()
            for fetched in group:
                self._take(fetched, held, part, rows)
            if rows.event_key:
                yield MAILGUN_EVENTS, rows.as_arrow(self.domain, self.name)
        if self.read or self.reach.is_whole:
            before = self.window.begin if self.cursor is None else self.cursor
            self.cursor = stopped_at(self.name, before, self.reach)
        if part.dead_letters:
            yield DEAD_LETTERS, DEAD_LETTERS.rows(part.dead_letters)
        if part.requests:
            yield REQUESTS, REQUESTS.rows(part.requests)
        if self.outcome is not None and self.is_noted:
            self.message = "; ".join(filter(None, (self.message, *self._oddities())))
            yield LANE_RUNS, LANE_RUNS.rows([self._run()])

    def _groups(
        self, part: _Part, on_page: Callable[[], None]
    ) -> Iterator[list[Fetched]]:
        """The part's pages, some at a time; sets `outcome` with the last."""
        group: list[Fetched] = []
        while self.outcome is None:
            fetched = self._next()
            if fetched is not None:
                group.append(fetched)
                on_page()
            if group and (
                self.outcome is not None
                or sum(fetched.size for fetched in group) >= TOGETHER
                or part.is_full
            ):
                yield group
                group = []
                if part.is_full:
                    return

    def _next(self) -> Fetched | None:
        """The next page; sets `outcome` when there is none after it."""
        try:
            fetched = next(self._pages)
        except StopIteration:
            self.outcome = "ok"
            self.reach.end()
            return None
        except NotUnderstoodError as error:
            self.outcome, self.message = "failed", str(error)
            letter = DeadLetter(0, "bad_page", as_text(error.body))
            return Fetched(clock(), 0, Page(Events(), [letter], 1), [])
        except ProviderError as error:
            self.outcome, self.message = "failed", str(error)
            return None
        self._pages_read += 1
        self.read += fetched.page.total
        self.reach.page(fetched.page.events.occurred_at)
        self._warnings.update(fetched.page.warnings)
        self._perhaps_stop()
        return fetched

    def _perhaps_stop(self) -> None:
        """Sets `outcome` when the page in hand is to be the last one."""
        halt = self._halt()
        if halt == "cancelled":
            self.outcome, self.message = "cancelled", f"after {self.read} events"
            return
        is_enough = (
            (self._budget is not None and self.read >= self._budget)
            or self._pages_read >= MOST_PAGES
            or halt == "time is up"
        )
        if halt == "asked to end" or (is_enough and self.reach.may_stop):
            self.outcome = "cut_short"
            self.message = f"stopped after {self.read} events; the next run goes on"

    def _take(
        self, fetched: Fetched, held: set[str], part: _Part, rows: "_Rows"
    ) -> None:
        """Adds a page's new events to `rows`, and what accounts for it to `part`."""
        self._requests += 1
        request_id = f"{self._run_id}-{self._requests:06}"
        events, keys = fetched.page.events, fetched.keys
        new = take_new(keys, held, part.seen)
        letters: dict[str, DeadLetter] = {}
        for letter in fetched.page.dead:
            key = dead_letter_key(self.source, self.domain, letter)
            letters.setdefault(key, letter)
        known = held_dead_letters(self._warehouse, list(letters))
        known |= part.seen.intersection(letters)
        dead = {key: letter for key, letter in letters.items() if key not in known}
        part.seen.update(dead)
        part.loaded += len(new)
        repeated = fetched.page.total - len(new) - len(dead)
        part.dead_letters += [
            {
                "dead_letter_key": key,
                "source": self.source,
                "received_at": fetched.received_at,
                "reason": letter.reason,
                "request_id": request_id,
                "position": letter.position,
                "body": letter.body,
            }
            for key, letter in dead.items()
        ]
        if fetched.page.total:
            part.requests.append(
                {
                    "request_id": request_id,
                    "source": self.source,
                    "lane": self.name,
                    "received_at": fetched.received_at,
                    "events": fetched.page.total,
                    "loaded": len(new),
                    "repeated": repeated,
                    "dead": len(dead),
                }
            )
        self.tally.repeats += repeated
        self.tally.dead += len(dead)
        kinds = list(zip(events.names, events.severities, strict=True))
        if len(new) < len(kinds):
            kinds = [kinds[i] for i in new]
        for (name, severity), count in Counter(kinds).items():
            self.tally.add(KINDS, name, severity, count)
        if self._lateness is not None:
            self._lateness.found((events.occurred_at[i] for i in new), self._now)
        rows.add(fetched, new, request_id)

    def _run(self) -> dict[str, Any]:
        """The run as a row of raw.lane_runs."""
        return {
            "run_id": self._run_id,
            "source": self.source,
            "domain": self.domain,
            "lane": self.name,
            "began_at": self._began_at,
            "ended_at": clock(),
            "window_begin": self.window.begin,
            "window_end": self.window.end,
            "cursor": self.cursor,
            **asdict(self.tally),
            **(self._lateness.figures() if self._lateness else {}),
            "outcome": self.outcome,
            "message": self.message,
        }

    def _oddities(self) -> Iterator[str]:
        for oddity, count in sorted(self._warnings.items()):
            yield f"kept {count} with {oddity}"


def new_run_id(began_at: int) -> str:
    """A run's name; those of runs and requests sort in the order of their making.

    Args:
        began_at: Microseconds since the epoch.
    """
    began, rest = divmod(began_at, SECOND)
    return (
        f"{datetime.fromtimestamp(began, UTC):%Y%m%dT%H%M%S}.{rest:06}"
        f"-{secrets.token_hex(4)}"
    )


def texts(bodies: Sequence[bytes]) -> pa.Array:
    """Bodies known to be UTF-8 as text, joined at once instead of one by one."""
    ends = array("i", accumulate(map(len, bodies), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(bodies))]
    return pa.Array.from_buffers(pa.string(), len(bodies), buffers)


def clock() -> int:
    """The real time, microseconds since the epoch."""
    return time_ns() // 1_000


def take_new(keys: Sequence[str], held: set[str], seen: set[str]) -> Sequence[int]:
    """Which of a page's events are not there yet; notes them as seen."""
    different = set(keys)
    if (
        len(different) == len(keys)
        and held.isdisjoint(different)
        and seen.isdisjoint(different)
    ):
        seen |= different  # as nearly always: no loop over events
        return range(len(keys))
    new: list[int] = []
    for i, key in enumerate(keys):
        if key not in held and key not in seen:
            seen.add(key)
            new.append(i)
    return new
