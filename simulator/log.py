"""One domain's event log as a provider keeps it, ready to be served.

All bodies lie in one buffer in the order of the log, a comma after each, so that a
run of neighbouring events is one slice of it and already a JSON list's inside.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from simulator.diary import Moment


class Event(NamedTuple):
    """A light record of one event.

    Attributes:
        event_id: Mailgun's id; of an item without a usable one, any.
        name: Mailgun's event name; empty if the item can't become an event.
        occurred_at: Place in time, in microseconds since the epoch.
        stored_at: When the log shows it, in microseconds since the epoch.
        body: JSON in UTF-8.
    """

    event_id: str
    name: str
    occurred_at: int
    stored_at: int
    body: bytes


class Log:
    """The events of one domain, by time and then id. It never changes.

    Attributes:
        occurred_at: Microseconds since the epoch, ascending.
        stored_at: Microseconds since the epoch.
    """

    def __init__(self, moments: list[Moment], bodies: Iterable[bytes]) -> None:
        """Lays the bodies one after another.

        Args:
            moments: In the order of the log.
            bodies: Their JSON, in the same order.
        """
        self.occurred_at = array("q", (moment.occurred_at for moment in moments))
        self.stored_at = array("q", (moment.stored_at for moment in moments))
        self._ids = [moment.event_id for moment in moments]
        self._kinds: list[tuple[str, tuple[str, ...]]] = []
        codes: dict[tuple[str, tuple[str, ...]], int] = {}
        self._codes = array("H")
        for moment in moments:
            kind = moment.template.name, moment.template.statistic
            code = codes.get(kind)
            if code is None:
                code = codes[kind] = len(self._kinds)
                self._kinds.append(kind)
            self._codes.append(code)
        buffer = bytearray()
        self._starts = array("q", (0,))
        for body in bodies:
            buffer += body
            buffer += b","
            self._starts.append(len(buffer))
        self._buffer = memoryview(buffer)
        self._positions: dict[str, Sequence[int]] = {}

    def __len__(self) -> int:
        """Number of events."""
        return len(self._ids)

    def __iter__(self) -> Iterator[Event]:
        """The events, in order."""
        return map(self.event, range(len(self)))

    def event(self, position: int) -> Event:
        """The event at a position."""
        return Event(
            self._ids[position],
            self.name(position),
            self.occurred_at[position],
            self.stored_at[position],
            bytes(self.bodies(position, position + 1)),
        )

    def name(self, position: int) -> str:
        """The name of the event at a position; empty if it can't become an event."""
        return self._kinds[self._codes[position]][0]

    def statistic(self, position: int) -> tuple[str, ...]:
        """Where the event counts in Mailgun's statistics; empty if nowhere."""
        return self._kinds[self._codes[position]][1]

    def bodies(self, start: int, stop: int) -> memoryview:
        """The bodies at positions [start, stop), with commas between them.

        Args:
            start: First position.
            stop: One past the last; greater than `start`.
        """
        return self._buffer[self._starts[start] : self._starts[stop] - 1]

    def position_of(self, at: int) -> int:
        """The first position at or after an instant, in microseconds."""
        return bisect_left(self.occurred_at, at)

    def positions(self, name: str) -> Sequence[int]:
        """Every position of events of this name, ascending."""
        if name not in self._positions:
            codes = [code for code, kind in enumerate(self._kinds) if kind[0] == name]
            self._positions[name] = array(
                "q", (place for place, code in enumerate(self._codes) if code in codes)
            )
        return self._positions[name]
