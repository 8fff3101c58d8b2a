"""Takes events from anywhere in an app and hands them to each sink's lane."""

import asyncio
import atexit
import os
import weakref
from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import Any

from reporter.event import Event, UnusableError, new
from reporter.lane import Counts, Lane, Limits, Sink

PATIENCE = 5.0
"""Seconds that closing waits for what is on its way."""

_alive: "weakref.WeakSet[Reporter]" = weakref.WeakSet()


class Reporter:
    """Reports to several sinks at once; none knows of the others.

    Any thread, coroutine or forked child may report. It never waits and never raises:
    what can't be sent is counted.

    Args:
        sinks: Each a callable that takes a batch of events.
        limits: How much and how long.
        properties: Added to every event; its own win.
    """

    def __init__(
        self,
        *sinks: Sink,
        limits: Limits | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Starts no thread yet."""
        limits = limits or Limits()
        self._properties = dict(properties or {})
        self._lanes = [
            Lane(name, sink, limits)
            for name, sink in zip(_names(sinks), sinks, strict=True)
        ]
        _alive.add(self)

    def report(self, event: str, properties: Mapping[str, Any] | None = None) -> None:
        """Reports that something happened, now.

        Args:
            event: What happened.
            properties: What is known of it; copied at once.
        """
        made: Event | None
        try:
            made = new(event, {**self._properties, **(properties or {})})
        except UnusableError:
            made = None
        except Exception:  # noqa: BLE001 - a value's own __str__ may raise anything
            made = None
        for lane in self._lanes:
            lane.put(made)

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Waits until what was reported so far is sent or given up.

        Args:
            timeout: Seconds, at most.

        Returns:
            Whether it is.
        """
        until = monotonic() + timeout
        settled = [lane.flush(until) for lane in self._lanes]
        return all(settled)

    def close(self, timeout: float = PATIENCE) -> None:
        """Sends what waits, and takes no more; the second time it does nothing.

        Args:
            timeout: Seconds, at most; what isn't sent by then counts as given up.
        """
        until = monotonic() + timeout
        for lane in self._lanes:
            lane.close()
        for lane in self._lanes:
            lane.finish(until)

    async def aclose(self, timeout: float = PATIENCE) -> None:
        """Closes without holding up the event loop."""
        await asyncio.to_thread(self.close, timeout)

    def counts(self) -> dict[str, Counts]:
        """What became of the events, for each sink."""
        return {lane.name: lane.counts() for lane in self._lanes}

    def __enter__(self) -> "Reporter":
        """Begins."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes."""
        self.close()

    def _begin_anew(self) -> None:
        for lane in self._lanes:
            lane.begin_anew()


def _names(sinks: tuple[Sink, ...]) -> list[str]:
    """A name for each, told apart by a number where two are alike."""
    names: list[str] = []
    for sink in sinks:
        name = getattr(sink, "__name__", type(sink).__name__).lower()
        alike = sum(known.partition("#")[0] == name for known in names)
        names.append(f"{name}#{alike + 1}" if alike else name)
    return names


def _close_all() -> None:
    for reporter in list(_alive):
        reporter.close()


def _after_fork() -> None:
    for reporter in list(_alive):
        reporter._begin_anew()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
