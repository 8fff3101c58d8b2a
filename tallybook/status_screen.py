"""`status` as one screen."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from extract.backfills import Backfill
from extract.places import RESOURCE as INBOX
from extract.waiting import MOST_COUNTED, Waiting
from tallybook.heart import Beat
from tallybook.say import BAD, GOOD, MIND, at, counted, lasting, said, tests, verdict
from tallybook.status import (
    Count,
    Lane,
    Lateness,
    Pending,
    Status,
)

_FEW = 4
_MOST_LANES = 8


def show(console: Console, status: Status) -> None:
    """Draws it: first whether all is well, then what is known of each part."""
    with console.capture() as drawn:
        _draw(console, status)
    for line in drawn.get().splitlines():
        # A table fills its lines with spaces, which a file or a pipe needn't have.
        console.out(line.rstrip(), highlight=False)


def _draw(console: Console, status: Status) -> None:
    if status.running:
        holder = status.running
        console.print(
            f"`tallybook {holder.doing}` is at work (process {holder.pid}, since "
            f"{at(holder.since)}); the figures are of {at(status.as_of)}.",
        )
        if status.beat:
            console.print(escape(_doing(status.beat)))
    for trouble in status.troubles:
        console.print(f"{BAD} {escape(trouble)}")
    if status.without_account:
        console.print(
            f"{MIND} {counted(status.without_account, 'event')} of no account, in no "
            "daily row: set sending_domain in the application's accounts, or name the "
            "domain in the path secret (COLLECTOR__SECRETS)"
        )
    elif not status.troubles:
        console.print(f"{GOOD} all is well")
    parts = Table.grid(padding=(0, 2))
    parts.add_column(style="bold", no_wrap=True)
    parts.add_column()
    for name, part in _parts(status):
        parts.add_row(name, part)
    console.print(parts)


def _parts(status: Status) -> Iterator[tuple[str, RenderableType]]:
    yield "lanes", _lanes(status.lanes)
    if status.inbox:
        yield "inbox", _inbox(status.inbox)
    if status.forgets:
        yield "forget", _lines(map(_forget, status.forgets))
    for backfill in status.backfills:
        if backfill.state in ("waiting", "running", "cancelling"):
            yield "backfill", _backfill(backfill)
    for late in status.lateness:
        if late.found:
            yield "late", _late(late)
    yield (
        "newest",
        _lines(f"{one.source} {at(one.occurred_at)}" for one in status.newest),
    )
    yield "build", _build(status)
    yield "published", _ago(status.published_at, status.as_of) or "not yet"
    yield "unmatched", _counts(status.unmatched, "event")
    yield "dead letters", _counts(status.dead_letters, "dead letter")
    yield "state", Text(status.home, overflow="fold")


def _lanes(lanes: Sequence[Lane]) -> RenderableType:
    if not lanes:
        return "none has run yet: `tallybook doctor` says what to set"
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    shown = [lane for lane in lanes if lane.lane != "scheduled" or lane.running]
    shown.sort(key=lambda lane: (lane.outcome == "ok", not lane.running))
    for lane in shown[:_MOST_LANES]:
        mark = {"ok": GOOD, "cut_short": MIND, "cancelled": MIND}.get(lane.outcome, BAD)
        name = "" if lane.lane == "latest" else f" {lane.lane}"
        running = " (reading)" if lane.running else ""
        table.add_row(
            f"{mark} {escape(lane.domain or lane.source)}{escape(name)}{running}",
            _behind(lane),
        )
    if len(shown) > _MOST_LANES:
        table.add_row(f"and {len(shown) - _MOST_LANES} more", "")
    return table


def _inbox(inbox: Waiting) -> RenderableType:
    more = "or more " if inbox.requests >= MOST_COUNTED else ""
    waits = f"{counted(inbox.requests, 'request')} {more}to be loaded"
    line = (
        f"{waits if inbox.requests else 'nothing waits'}, "
        f"{counted(inbox.segments, 'segment')}, {inbox.archived:,} archived"
    )
    if not inbox.damaged:
        return line
    return _lines([line, f"{MIND} {counted(inbox.damaged, 'place')} can't be read"])


def _forget(one: Pending) -> str:
    """What a person who is to be forgotten is waiting for, and what to do."""
    waits = {
        "asked": "not begun: `tallybook run` does it",
        "erased": (
            "out of the warehouse; published when a build passes its checks, or by "
            "`tallybook publish --anyway`"
        ),
        "published": (
            "out of all but the inbox; a run does the rest once the collector has "
            "closed its segment"
        ),
    }[one.state]
    return f"{MIND} asked {at(one.asked_at)}: {waits}"


def _behind(lane: Lane) -> str:
    if lane.source == INBOX:
        return f"received {lane.cursor:%m-%d %H:%M} last" if lane.cursor else ""
    if lane.is_caught_up:
        return "caught up"
    if lane.fetched_through is None or lane.lag_seconds is None:
        return "nothing read yet"
    return f"{lasting(lane.lag_seconds)} behind, at {lane.fetched_through:%m-%d %H:%M}"


def _backfill(one: Backfill) -> str:
    begin, end, cursor = (
        f"{datetime.fromtimestamp(when / 1_000_000, UTC):%m-%d %H:%M}"
        for when in (one.begin, one.end, one.cursor)
    )
    return f"{one.source} {begin} to {end}: {one.state}, at {cursor}"


def _late(one: Lateness) -> str:
    found = f"{counted(one.found, 'event')} found by missing in 7 days"
    if one.p50 is None or one.longest is None:
        return found
    return (
        f"{found}; sample: {lasting(one.p50)} late, at most {lasting(one.longest)}, "
        f"{one.in_last_tenth} in the last tenth"
    )


def _doing(beat: Beat) -> str:
    if beat.step == "wait" and beat.next_at:
        return f"It waits for its next tick at {beat.next_at:%H:%M:%S}."
    what = f" {beat.source} {beat.domain} {beat.lane}".rstrip() if beat.source else ""
    return f"Tick {beat.tick}, since {beat.since:%H:%M:%S}: {beat.step}{what}."


def _build(status: Status) -> RenderableType:
    build = status.build
    if build is None:
        return _ago(status.changed_at, status.as_of, "by dbt itself, ") or "not yet"
    lines = [f"{verdict(build)} {_ago(build.built_at, status.as_of)}: {tests(build)}"]
    if status.changed_at and (status.changed_at - build.built_at).total_seconds() > (
        build.seconds
    ):
        lines.append(f"{MIND} dbt itself built again {at(status.changed_at)}")
    marked = [(BAD, each) for each in (*build.errors, *build.failures)]
    marked += [(MIND, each) for each in build.warnings]
    lines += [f"{mark} {said(finding)}" for mark, finding in marked[:_FEW]]
    if len(marked) > _FEW:
        lines.append(f"and {len(marked) - _FEW} more")
    return _lines(lines)


def _counts(counts: Sequence[Count], thing: str) -> RenderableType:
    if not counts:
        return "none"
    total, last_day = sum(c.total for c in counts), sum(c.last_day for c in counts)
    lines = [f"{counted(total, thing)}, {last_day:,} received in the last 24 h"]
    lines += [f"  {escape(c.what)}  {c.total:,}" for c in counts[:_FEW]]
    if len(counts) > _FEW:
        lines.append(f"  and {len(counts) - _FEW} more kinds")
    return _lines(lines)


def _ago(when: datetime | None, clock: datetime, how: str = "") -> str:
    if when is None:
        return ""
    seconds = (clock.astimezone(UTC) - when).total_seconds()
    return f"{how}{lasting(seconds)} ago ({at(when)})"


def _lines(lines: "Iterator[str] | Sequence[str]") -> RenderableType:
    return Group(*lines) if (lines := list(lines)) else "none"
