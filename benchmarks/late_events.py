"""What late events cost a poller, by the way it reads: the table in docs/operations.md.

    python -m benchmarks.late_events

The simulated day of the proofs (tests/extract/test_simulated_day.py, where the same
is read over HTTP into a warehouse), polled every ten minutes; nothing here but the
planner and the log, so that ways of reading that we don't have can be compared.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from extract.windows import SECOND, Errand, Reach, Stand, Tick, Window, stopped_at
from simulator import Spec
from simulator.log import Log
from simulator.world import World

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
POLL = 10 * MINUTE

DAY = Spec(seed=3, days=1, accounts=1, emails=65, recipients_per_email=100)
"""About 20,000 events, 2 % of them stored up to `late_minutes` late."""

Way = Callable[[Tick], Iterator[Errand]]


def plain_cursor(tick: Tick) -> Iterator[Errand]:
    """From the last event to now."""
    errand = tick.latest()
    yield errand._replace(window=Window(errand.window.begin, tick.now))


def latest_alone(tick: Tick) -> Iterator[Errand]:
    """The same, but for the last minute."""
    yield tick.latest()


def both_lanes(tick: Tick) -> Iterator[Errand]:
    """Latest, and missing as far as the tick trusts."""
    yield tick.latest()
    missing = tick.missing()
    if missing is not None:
        yield missing


WAYS: dict[str, tuple[Way, int]] = {
    "a plain cursor": (plain_cursor, 0),
    "latest alone": (latest_alone, 0),
    "latest and missing, without settling": (both_lanes, 0),
    "latest and missing, trust window 30 min": (both_lanes, 1_800),
    "latest and missing, trust window 60 min": (both_lanes, 3_600),
}


def lost(log: Log, begin: int, end: int, way: Way, trust_window: int) -> int:
    """Events that are never read.

    Args:
        log: Everything, with when it was stored.
        begin: First instant, microseconds since the epoch.
        end: When polling ends; everything is stored long before.
        way: Plans each tick.
        trust_window: Seconds.
    """
    stand = Stand()
    read: set[int] = set()
    for now in range(begin + POLL, end, POLL):
        tick = Tick(now, trust_window, None, begin, stand)
        for lane, window, _ in way(tick):
            if window.is_empty:
                continue
            places = [
                place
                for place in range(
                    log.position_of(window.begin), log.position_of(window.end)
                )
                if log.stored_at[place] <= now
            ]
            read.update(places)
            reach = Reach(window)
            reach.page([log.occurred_at[place] for place in places])
            reach.end()
            before = getattr(stand, lane)
            cursor = stopped_at(
                lane, tick.first_begin if before is None else before, reach
            )
            stand = replace(stand, first_begin=tick.first_begin, **{lane: cursor})
    return len(log) - len(read)


def table() -> str:
    """The table, in Markdown."""
    delays = (30, 60)
    logs = []
    for delay in delays:
        world = World(replace(DAY, late_minutes=float(delay)))
        logs.append(world.log(world.domains[0]))
    end = DAY.ends_at + 10 * HOUR
    lines = [
        f"| of {len(logs[0]):,} events, 2 % of them late, are lost |"
        + "".join(f" late by up to {delay} min |" for delay in delays),
        "|---|" + "---|" * len(delays),
    ]
    for name, (way, trust_window) in WAYS.items():
        counts = [lost(log, DAY.begins_at, end, way, trust_window) for log in logs]
        lines.append(f"| {name} |" + "".join(f" {count} |" for count in counts))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
