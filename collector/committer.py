"""Verifies and stores requests, all that wait at once, and answers them together.

    requests ──▶ queue ──▶ verified ──▶ one append, one fdatasync ──▶ answers
                 (the server's thread │ this thread)

While the disk is waited for, more requests gather: the next group is larger. Signatures
are verified here as well, since OpenSSL works beside Python's lock.
"""

import hashlib
import logging
import sqlite3
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from time import perf_counter, time
from typing import NamedTuple

from collector.log import Log
from collector.metrics import Metrics
from collector.once import Once, Seen
from collector.verdict import Headers, Refused, Verifier
from inbox import Record, Writer

LARGEST_GROUP = 8 * 1024 * 1024
"""Bytes of bodies after which a group is full."""

TICK = 5.0
"""Seconds after which an idle thread looks whether a segment is old."""

_STORED = "stored"
_REPEATED = "repeated"
_CANT_STORE = "cant_store"
_REPLAYED = "replayed_with_another_body"


class Answer(NamedTuple):
    """What a request is told.

    Attributes:
        status: The HTTP status.
        reason: For metrics and logs.
    """

    status: int
    reason: str


class Waiting(NamedTuple):
    """A request that waits for its answer.

    Attributes:
        record: What is to be stored.
        headers: What came with it.
        verifier: Who judges it.
        answer: Set on the server's thread.
    """

    record: Record
    headers: Headers
    verifier: Verifier
    answer: "Future[Answer]"


class Committer:
    """The thread that writes.

    Args:
        writer: Writes to the inbox.
        once: What came before and may not come otherwise.
        metrics: Told of each group.
        log: Told of troubles.
        clock: Seconds since the epoch; another one in tests only.
    """

    def __init__(
        self,
        writer: Writer,
        once: Once,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float] = time,
    ) -> None:
        """Starts nothing yet."""
        self._writer = writer
        self._once = once
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._is_failing = False

    def start(self, loop: AbstractEventLoop) -> None:
        """Starts the thread.

        Args:
            loop: Where answers are set.
        """
        self._thread = Thread(target=self._run, args=[loop], name="committer")
        self._thread.start()

    def stop(self) -> None:
        """Answers what waits, closes the segment, and ends the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    @property
    def is_alive(self) -> bool:
        """Whether anything can be stored at all."""
        return self._thread is not None and self._thread.is_alive()

    def put(self, waiting: Waiting) -> None:
        """Hands a request over."""
        self._queue.put(waiting)

    def _run(self, loop: AbstractEventLoop) -> None:
        is_open = True
        while is_open:
            group, is_open = self._group()
            if group:
                answers, seconds = self._handle(group)
                loop.call_soon_threadsafe(self._tell, group, answers, seconds)
            else:
                self._tidy()
        self._writer.close()
        self._once.close()

    def _group(self) -> tuple[list[Waiting], bool]:
        """What waits, at least one if one comes in time; and whether more may come."""
        group: list[Waiting] = []
        size = 0
        try:
            waiting = self._queue.get(timeout=TICK)
            while waiting is not None:
                group.append(waiting)
                size += len(waiting.record.body)
                if size >= LARGEST_GROUP:
                    return group, True
                waiting = self._queue.get_nowait()
        except Empty:
            return group, True
        return group, False

    def _tidy(self) -> None:
        self._writer.rotate()
        try:
            self._once.forget(self._clock())
        except sqlite3.Error:
            self._log.repeat(logging.ERROR, "can't forget old signatures")

    def _handle(self, group: list[Waiting]) -> tuple[list[Answer], float]:
        """Judges a group and stores what is authentic.

        Returns:
            An answer for each, in their order, and the seconds that the disk took.
        """
        now = self._clock()
        answers: list[Answer] = []
        records: list[Record] = []
        fresh: dict[bytes, bytes] = {}
        for waiting in group:
            answer = self._judge(waiting, now, fresh)
            if answer.reason == _STORED:
                records.append(waiting.record)
            answers.append(answer)
        begun = perf_counter()
        problem = ""
        try:
            self._writer.append(records)
            self._once.remember([Seen(*seen) for seen in fresh.items()], now)
        except OSError as error:
            problem = error.strerror or type(error).__name__
        except sqlite3.Error as error:
            problem = type(error).__name__
        if problem:
            # Of what a group has in common nobody can be sure, repeats included.
            answers = [
                Answer(503, _CANT_STORE) if answer.status == 204 else answer
                for answer in answers
            ]
        self._say(problem, bool(records))
        return answers, perf_counter() - begun

    def _judge(self, waiting: Waiting, now: float, fresh: dict[bytes, bytes]) -> Answer:
        verdict = waiting.verifier.verify(waiting.headers, waiting.record.body, now)
        if isinstance(verdict, Refused):
            return Answer(verdict.status, verdict.reason)
        if not verdict.once:
            return Answer(204, _STORED)
        body = hashlib.sha256(waiting.record.body).digest()[:16]
        try:
            known = fresh.get(verdict.once) or self._once.body_of(verdict.once)
        except (OSError, sqlite3.Error) as error:
            self._say(type(error).__name__, True)
            return Answer(503, _CANT_STORE)
        if known is None:
            fresh[verdict.once] = body
            return Answer(204, _STORED)
        if known == body:
            return Answer(204, _REPEATED)
        return Answer(406, _REPLAYED)

    def _say(self, problem: str, has_tried: bool) -> None:
        if problem:
            self._is_failing = True
            self._log.repeat(logging.ERROR, f"can't store: {problem}; told 503")
        elif self._is_failing and has_tried:
            self._is_failing = False
            self._log.say(logging.INFO, "stores again")

    def _tell(
        self, group: list[Waiting], answers: list[Answer], seconds: float
    ) -> None:
        """On the server's thread: counts, and wakes whoever waits."""
        metrics = self._metrics
        stored = 0
        for waiting, answer in zip(group, answers, strict=True):
            if answer.reason == _STORED:
                stored += 1
                metrics.bytes_stored += len(waiting.record.body)
            elif answer.reason == _REPLAYED:
                metrics.alarms += 1
                self._log.repeat(
                    logging.ERROR,
                    f"alarm: a signature came again with another body"
                    f" source={waiting.record.source}",
                )
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        metrics.records_stored += stored
        if stored:
            metrics.syncs += 1
            metrics.sync_seconds += seconds
        if any(answer.reason == _CANT_STORE for answer in answers):
            metrics.store_failures += 1
