"""The process that judges and stores requests, all that wait at once.

    requests ──▶ verified ──▶ one append, one fdatasync ──▶ answers, together

While it waits for the disk more requests gather, and the next group is larger. It is a
process of its own since verifying and storing cost as much as all of HTTP: so each has
a core, where two threads would take turns. It ends when the server's end of the socket
is closed, once what was asked is answered.
"""

import hashlib
import logging
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, perf_counter, time

from collector import mailgun, wire
from collector.log import Log, logger
from collector.once import Once, Seen
from collector.verdict import CLOCK_SKEW, Refused, Verifier
from collector.wire import Answer, Asked, Told
from inbox import Record, Writer, new_request_id

_ROOM = 8 * 1024 * 1024
"""Bytes of a group, and more than the largest request."""

TICK = 5.0
"""Seconds between two looks whether a segment is old."""

_STORED = Answer(204, "stored")
_REPEATED = Answer(204, "repeated")
_REPLAYED = Answer(406, "replayed_with_another_body")
CANT_STORE = Answer(503, "cant_store")


class Storer:
    """Judges and stores.

    Args:
        folder: The inbox.
        verifiers: By source.
        clock: Seconds since the epoch, for replay windows; another one in tests only.
    """

    def __init__(
        self,
        folder: Path,
        verifiers: Mapping[str, Verifier],
        clock: Callable[[], float] = time,
    ) -> None:
        """Opens nothing yet."""
        self._writer = Writer(folder)
        self._once = Once(folder, mailgun.REPLAY_WINDOW + CLOCK_SKEW)
        self._verifiers = verifiers
        self._clock = clock
        self._log = Log()
        self._is_failing = False
        self._next_tick = monotonic() + TICK

    def serve(self, server: socket.socket) -> None:
        """Answers until nobody asks any more."""
        received, size, is_open = memoryview(bytearray(_ROOM)), 0, True
        with server, suppress(ConnectionError):  # the server died: so nobody waits
            while is_open:
                size, is_open = _receive(server, received, size)
                messages, end = wire.take(received[:size])
                if messages:
                    group = [(wire.asked(one), bytes(body)) for one, body in messages]
                    received[: size - end] = received[end:size]
                    size -= end
                    server.settimeout(None)
                    server.sendall(wire.frame(self.handle(group))[0])
                if monotonic() >= self._next_tick:
                    self._tick()
        self._writer.close()
        self._once.close()

    def handle(self, group: Sequence[tuple[Asked, bytes]]) -> Told:
        """Judges a group and stores what is authentic."""
        now = self._clock()
        fresh: dict[bytes, bytes] = {}
        answers = [self._judge(asked, body, now, fresh) for asked, body in group]
        records = [
            Record(
                new_request_id(asked.received_at),
                asked.source,
                asked.domain,
                asked.received_at,
                body,
            )
            for (asked, body), answer in zip(group, answers, strict=True)
            if answer is _STORED
        ]
        begun = perf_counter()
        try:
            self._writer.append(records)
            self._once.remember([Seen(*seen) for seen in fresh.items()], now)
        except (OSError, sqlite3.Error) as error:
            self._failed(error)
            # Repeats are repeats of what may be in this very group.
            answers = [
                CANT_STORE if answer.status == 204 else answer for answer in answers
            ]
        else:
            if records and self._is_failing:
                self._is_failing = False
                self._log.say(logging.INFO, "stores again")
        return Told(answers, perf_counter() - begun)

    def _judge(
        self, asked: Asked, body: bytes, now: float, fresh: dict[bytes, bytes]
    ) -> Answer:
        verdict = self._verifiers[asked.source].verify(asked.headers, body, now)
        if isinstance(verdict, Refused):
            return Answer(verdict.status, verdict.reason)
        if not verdict.once:
            return _STORED
        digest = hashlib.sha256(body).digest()[:16]
        try:
            known = fresh.get(verdict.once) or self._once.body_of(verdict.once)
        except (OSError, sqlite3.Error) as error:
            self._failed(error)
            return CANT_STORE
        if known is None:
            fresh[verdict.once] = digest
            return _STORED
        if known == digest:
            return _REPEATED
        self._log.repeat(
            logging.ERROR,
            f"alarm: a signature came again with another body source={asked.source}",
        )
        return _REPLAYED

    def _failed(self, error: OSError | sqlite3.Error) -> None:
        self._is_failing = True
        words = error.strerror if isinstance(error, OSError) else ""
        problem = words or type(error).__name__
        self._log.repeat(logging.ERROR, f"can't store: {problem}; senders are told 503")

    def _tick(self) -> None:
        self._next_tick = monotonic() + TICK
        self._writer.rotate()
        try:
            self._once.forget(self._clock())
        except sqlite3.Error:
            self._log.repeat(logging.ERROR, "can't forget old signatures")


def _receive(
    server: socket.socket, received: memoryview, size: int
) -> tuple[int, bool]:
    """Waits for something to come, and takes all that is there.

    Args:
        server: Where it comes from.
        received: Where it goes to.
        size: How much is there already.

    Returns:
        How much is there now, and whether more may come.
    """
    server.settimeout(TICK)
    try:
        while count := server.recv_into(received[size:]):
            size += count
            if size == len(received):
                return size, True
            server.settimeout(0)
    except (TimeoutError, BlockingIOError):
        return size, True
    return size, False


def fork(storer: Storer) -> tuple[socket.socket, int]:
    """Starts a storer as a process of its own.

    Returns:
        The server's end of the socket, and the process id.
    """
    ours, its = socket.socketpair()
    # As much as the system allows: the more there is at once, the fewer syncs.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
    pid = os.fork()
    if pid:
        its.close()
        return ours, pid
    status = 1
    try:
        # A terminal's Ctrl-C goes to both; this one ends when it has nothing to do.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _close_all_but(its.fileno())
        storer.serve(its)
        status = 0
    except Exception:  # noqa: BLE001 - whatever it is, its end is told
        logger.exception("the storer failed")
    finally:
        os._exit(status)


def _close_all_but(kept: int) -> None:
    """Closes what was opened by the server: it would stay open when that ends."""
    for opened in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if opened > 2 and opened != kept:
            with suppress(OSError):  # the one that read the folder
                os.close(opened)
