"""The thread that puts judged requests on disk, all that wait at once.

    judged ──▶ one append, one fdatasync ──▶ answers, together

While it waits for the disk the storer judges on, and the next group is larger.
"""

import logging
import os
import socket
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, perf_counter

from collector import wire
from collector.log import Log, logger
from collector.once import Once, Seen
from collector.wire import Answer, Told
from inbox import Record, Writer

TICK = 5.0
"""Seconds between two looks whether a segment is old."""

STORED = Answer(204, "stored")
CANT_STORE = Answer(503, "cant_store")


class Fresh:
    """What came with one body for the first time, and may not be on disk yet.

    Attributes:
        body: The body's hash.
        is_kept: Whether it is.
    """

    __slots__ = ("body", "is_kept")

    def __init__(self, body: bytes) -> None:
        """It isn't."""
        self.body = body
        self.is_kept = False


@dataclass(slots=True)
class Judged:
    """Requests that were judged together.

    Attributes:
        answers: What each is told if all can be stored.
        records: What is to be stored.
        fresh: What is to be remembered with them, by key.
        repeated: Places of answers that are true only if something else is kept.
    """

    answers: list[Answer] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    fresh: dict[bytes, Fresh] = field(default_factory=dict)
    repeated: list[tuple[int, Fresh]] = field(default_factory=list)


class Keeper:
    """Stores, remembers and answers, in the order in which requests were judged.

    Args:
        folder: The inbox.
        once: What came with which body; used by this thread only.
        waiting: What is remembered but for the disk: taken out once that is done.
        clock: Seconds since the epoch.
        log: Told when the disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        once: Once,
        waiting: dict[bytes, Fresh],
        clock: Callable[[], float],
        log: Log,
    ) -> None:
        """Starts nothing yet."""
        self._writer = Writer(folder)
        self._once = once
        self._waiting = waiting
        self._clock = clock
        self._log = log
        self._queue: SimpleQueue[Judged | None] = SimpleQueue()
        self._is_failing = False
        self._is_open = True
        self._next_tick = monotonic() + TICK

    def start(self, server: socket.socket) -> None:
        """Begins to store.

        Args:
            server: Where answers go to.
        """
        self._server = server
        self._thread = Thread(target=self._run, name="keeper")
        self._thread.start()

    def keep(self, judged: Judged) -> None:
        """Has requests stored and answered."""
        self._queue.put(judged)

    def end(self) -> None:
        """Waits until everything is stored."""
        self._queue.put(None)
        self._thread.join()

    def failed(self, error: OSError | sqlite3.Error) -> None:
        """Says what the disk refused."""
        self._is_failing = True
        words = error.strerror if isinstance(error, OSError) else ""
        problem = words or type(error).__name__
        self._log.repeat(logging.ERROR, f"can't store: {problem}; senders are told 503")

    def _run(self) -> None:
        try:
            while self._is_open:
                if group := self._group():
                    told = self._store(group)
                    with suppress(ConnectionError):  # it died: so nobody waits
                        self._server.sendall(wire.frame(told)[0])
                if monotonic() >= self._next_tick:
                    self._tick()
            self._writer.close()
            self._once.close()
        except BaseException:  # noqa: BLE001 - else everybody would wait for ever
            logger.exception("the storer failed")
            os._exit(1)

    def _group(self) -> list[Judged]:
        """All that waits; nothing, if nothing comes for a while."""
        group: list[Judged] = []
        with suppress(Empty):
            judged = self._queue.get(timeout=TICK)
            while judged is not None:
                group.append(judged)
                judged = self._queue.get_nowait()
            self._is_open = False
        return group

    def _store(self, group: Sequence[Judged]) -> Told:
        begun = perf_counter()
        is_kept = self._keep(group)
        answers: list[Answer] = []
        for judged in group:
            for key, fresh in judged.fresh.items():
                fresh.is_kept = is_kept
                del self._waiting[key]
            for place, fresh in judged.repeated:
                if not fresh.is_kept:
                    judged.answers[place] = CANT_STORE
            answers += (
                judged.answers
                if is_kept
                else [CANT_STORE if one is STORED else one for one in judged.answers]
            )
        return Told(answers, perf_counter() - begun)

    def _keep(self, group: Sequence[Judged]) -> bool:
        records = [record for judged in group for record in judged.records]
        seen = [
            Seen(key, fresh.body)
            for judged in group
            for key, fresh in judged.fresh.items()
        ]
        try:
            self._writer.append(records)
            self._once.remember(seen, self._clock())
        except (OSError, sqlite3.Error) as error:
            self.failed(error)
            return False
        if records and self._is_failing:
            self._is_failing = False
            self._log.say(logging.INFO, "stores again")
        return True

    def _tick(self) -> None:
        self._next_tick = monotonic() + TICK
        self._writer.rotate()
        try:
            self._once.forget(self._clock())
        except sqlite3.Error:
            self._log.repeat(logging.ERROR, "can't forget old signatures")
