"""One sink's own way: queue, thread, retries and counts, apart from all others.

    put() ──▶ queue (bounded) ──▶ batch: full, old, or asked for ──▶ sink ──▶ sent
      ╰─ full: dropped                 ╰─ fails: again, later ─ too often: given up

What was reported is sent, given up, dropped, unusable, withheld or still waiting:
the counts add up at every moment.
"""

import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Condition, Thread, current_thread
from time import monotonic

from reporter.event import Event

logger = logging.getLogger("reporter")

Sink = Callable[[Sequence[Event]], object]
"""Takes a batch, and raises if it didn't; it may get the same batch again."""


class RefusedError(Exception):
    """A sink that raises it will never take this batch."""


@dataclass(frozen=True)
class Limits:
    """How much and how long.

    Attributes:
        batch_events: Events of a batch.
        batch_bytes: Bytes of a batch, as JSON.
        interval: Seconds after which a batch goes though it isn't full.
        capacity_events: Events that may wait for a sink; more are dropped.
        capacity_bytes: The same in bytes.
        attempts: How often a batch is tried before it is given up.
        first_pause: Seconds after the first failure, at most; doubled each time.
        longest_pause: Seconds between two attempts, at most.
    """

    batch_events: int = 100
    batch_bytes: int = 128 * 1024
    interval: float = 1.0
    capacity_events: int = 10_000
    capacity_bytes: int = 16 * 1024 * 1024
    attempts: int = 12
    first_pause: float = 0.5
    longest_pause: float = 30.0


@dataclass
class Counts:
    """What became of the events of one sink.

    Attributes:
        reported: All of them: the sum of the others.
        sent: The sink took them.
        given_up: It didn't, however often; some may have arrived all the same.
        dropped: There was no room, or the reporter was closed.
        unusable: They can't be written as JSON, or are too large.
        withheld: The sink's allow-list doesn't name the event.
        waiting: In the queue or on their way.
    """

    reported: int = 0
    sent: int = 0
    given_up: int = 0
    dropped: int = 0
    unusable: int = 0
    withheld: int = 0
    waiting: int = 0


class Lane:
    """A sink's queue and thread.

    Args:
        name: For counts and logs.
        sink: Takes batches, on this lane's thread only.
        limits: How much and how long.
    """

    def __init__(self, name: str, sink: Sink, limits: Limits) -> None:
        """Starts nothing yet: the thread begins with the first event."""
        self.name = name
        self._sink = sink
        self._accepts: Callable[[str], bool] = getattr(sink, "accepts", lambda _: True)
        self._limits = limits
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forgets everything; in a forked child, whose parent sends what waited."""
        # Its lock can be taken twice: a signal may come while it is held.
        self._changed = Condition()
        self._queue: deque[Event] = deque()
        self._bytes = 0
        self._oldest = 0.0
        self._counts = Counts()
        self._wanted = 0
        self._settled = 0
        self._is_closed = False
        self._is_over = False
        self._thread: Thread | None = None

    def counts(self) -> Counts:
        """What became of the events so far."""
        with self._changed:
            return replace(self._counts)

    def put(self, event: Event | None) -> None:
        """Takes an event; None stands for one that is unusable."""
        with self._changed:
            self._counts.reported += 1
            if event is None:
                self._counts.unusable += 1
            elif not self._is_wanted(event):
                self._counts.withheld += 1
            elif self._is_closed or self._is_full(len(event.encoded)):
                self._counts.dropped += 1
            else:
                self._counts.waiting += 1
                self._bytes += len(event.encoded)
                if not self._queue:
                    self._oldest = monotonic()
                self._queue.append(event)
                if len(self._queue) == 1 or self._is_due():
                    self._wake()

    def flush(self, until: float) -> bool:
        """Waits until what was put so far is settled.

        Args:
            until: How long, on the monotonic clock.
        """
        with self._changed:
            goal = self._settled + self._counts.waiting
            self._wanted = max(self._wanted, goal)
            self._wake()
            return self._wait_for(lambda: self._settled >= goal, until)

    def close(self) -> None:
        """Takes no more, and hurries with what waits."""
        with self._changed:
            self._is_closed = True
            self._wake()

    def finish(self, until: float) -> None:
        """Waits for what waits; gives up on what is left then.

        Args:
            until: How long, on the monotonic clock.
        """
        with self._changed:
            self._wait_for(lambda: not self._counts.waiting, until)
            self._is_over = True
            self._give_up(self._counts.waiting, "closed before they were sent")
            self._queue.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _wait_for(self, is_true: Callable[[], bool], until: float) -> bool:
        if self._thread is None or self._thread is current_thread():
            return is_true()
        return self._changed.wait_for(is_true, max(0.0, until - monotonic()))

    def _is_wanted(self, event: Event) -> bool:
        try:
            return self._accepts(event.name)
        except Exception:  # noqa: BLE001 - whoever reports must not get it
            return False

    def _is_full(self, size: int) -> bool:
        return (
            self._counts.waiting >= self._limits.capacity_events
            or self._bytes + size > self._limits.capacity_bytes
        )

    def _wake(self) -> None:
        if self._thread is None and self._queue:
            thread = Thread(target=self._run, name=f"reporter {self.name}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter ends; closing counts what is left
                return
            self._thread = thread
        self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._batch():
            problem = self._deliver(batch)
            with self._changed:
                if self._is_over or self._thread is not current_thread():
                    return  # all is counted, or a sink forked and this is the child
                if problem:
                    self._give_up(len(batch), problem)
                else:
                    self._counts.sent += len(batch)
                    self._counts.waiting -= len(batch)
                self._bytes -= sum(len(event.encoded) for event in batch)
                self._settled += len(batch)
                self._changed.notify_all()

    def _batch(self) -> list[Event]:
        """The next batch, once it is due; none when all is over."""
        with self._changed:
            while not (self._queue and self._is_due()):
                if self._is_over or (self._is_closed and not self._queue):
                    return []
                self._changed.wait(
                    self._oldest + self._limits.interval - monotonic()
                    if self._queue
                    else None
                )
            batch: list[Event] = []
            size = 0
            while self._queue and len(batch) < self._limits.batch_events:
                size += len(self._queue[0].encoded)
                if batch and size > self._limits.batch_bytes:
                    break
                batch.append(self._queue.popleft())
            self._oldest = monotonic()
            return batch

    def _is_due(self) -> bool:
        return (
            self._is_closed
            or self._settled < self._wanted
            or len(self._queue) >= self._limits.batch_events
            or self._bytes >= self._limits.batch_bytes
            or monotonic() >= self._oldest + self._limits.interval
        )

    def _deliver(self, batch: list[Event]) -> str:
        """Tries until it is taken.

        Returns:
            Why it isn't; empty if it is.
        """
        pause, problem = self._limits.first_pause, ""
        for attempt in range(self._limits.attempts):
            if attempt:
                # Jitter keeps a thousand reporters from coming back at once.
                self._sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                pause = min(2 * pause, self._limits.longest_pause)
            if self._is_over:
                return problem
            try:
                self._sink(batch)
            except RefusedError as error:
                return str(error) or "refused"
            except BaseException as error:  # noqa: BLE001 - whatever a sink may raise
                problem = f"{type(error).__name__}: {error}"
                pause = max(pause, _asked_pause(error, self._limits.longest_pause))
            else:
                return ""
        return problem

    def _sleep(self, seconds: float) -> None:
        """Waits; not for long once the reporter is being closed."""
        begun = monotonic()
        with self._changed:
            while not self._is_over:
                if self._is_closed:
                    seconds = min(seconds, self._limits.first_pause)
                if (left := begun + seconds - monotonic()) <= 0:
                    return
                self._changed.wait(left)

    def _give_up(self, events: int, problem: str) -> None:
        if events:
            self._counts.given_up += events
            self._counts.waiting -= events
            logger.warning("%s: gave up on %d events: %s", self.name, events, problem)


def _asked_pause(error: BaseException, longest: float) -> float:
    """Seconds that the other side asked for; no longer than we would wait."""
    asked = getattr(error, "retry_after", 0.0)
    return min(float(asked), longest) if isinstance(asked, int | float) else 0.0
