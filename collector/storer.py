"""The process that judges and stores requests.

    requests ──▶ verified ──▶ Keeper: all that wait at once ──▶ answers, together

It is a process of its own since verifying and storing cost more than all of HTTP: so
each has a core, where two threads would take turns. What it can't verify in time the
server does: see `collector.link`. It ends when the server's end of the socket is
closed, once what was asked is answered.
"""

import hashlib
import logging
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from time import time

from collector import mailgun, wire
from collector.keeper import CANT_STORE, STORED, Fresh, Judged, Keeper
from collector.log import Log, logger
from collector.once import Once
from collector.verdict import CLOCK_SKEW, Refused, Verdict, Verifier
from collector.wire import Answer, Asked
from inbox import Record, new_request_id

_ROOM = 8 * 1024 * 1024
"""Bytes of a group, and more than the largest request."""

_REPEATED = Answer(204, "repeated")
_REPLAYED = Answer(406, "replayed_with_another_body")


class Storer:
    """Judges, and has stored.

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
        asked, written = (
            Once(folder, mailgun.REPLAY_WINDOW + CLOCK_SKEW) for _ in range(2)
        )
        self._once = asked
        self._waiting: dict[bytes, Fresh] = {}
        self._count = memoryview(mmap(-1, 8)).cast("Q")  # shared by both processes
        self._verifiers = verifiers
        self._clock = clock
        self._log = Log()
        self._keeper = Keeper(folder, written, self._waiting, clock, self._log)

    def begin(self) -> None:
        """Counts from nothing: before it is started, and again."""
        self._count[0] = 0

    @property
    def judged(self) -> int:
        """How many requests it has judged since it was started."""
        return self._count[0]

    def verify(self, asked: Asked, body: bytes) -> Verdict:
        """Judges a request, in whichever process has the time."""
        verifier = self._verifiers[asked.source]
        return verifier.verify(asked.headers, body, self._clock())

    def serve(self, server: socket.socket) -> None:
        """Answers until nobody asks any more."""
        received, size = memoryview(bytearray(_ROOM)), 0
        with server:
            self._keeper.start(server)
            with suppress(ConnectionError):  # the server died: so nobody waits
                while count := server.recv_into(received[size:]):
                    size += count
                    messages, end = wire.take(received[:size])
                    if messages:
                        group = [
                            (wire.asked(one), bytes(body)) for one, body in messages
                        ]
                        received[: size - end] = received[end:size]
                        size -= end
                        self._keeper.keep(self._judged(group))
            self._keeper.end()
        self._once.close()

    def _judged(self, group: Sequence[tuple[Asked, bytes]]) -> Judged:
        judged = Judged()
        for asked, body in group:
            answer = self._judge(asked, body, judged)
            judged.answers.append(answer)
            self._count[0] += 1
            if answer is STORED:
                judged.records.append(
                    Record(
                        new_request_id(asked.received_at),
                        asked.source,
                        asked.domain,
                        asked.received_at,
                        body,
                    )
                )
        return judged

    def _judge(self, asked: Asked, body: bytes, judged: Judged) -> Answer:
        once = asked.once
        if once is None:
            verdict = self.verify(asked, body)
            if isinstance(verdict, Refused):
                return Answer(verdict.status, verdict.reason)
            once = verdict.once
        if not once:
            return STORED
        digest = hashlib.sha256(body).digest()[:16]
        # In this order: it is on disk before it waits no longer.
        fresh = self._waiting.get(once)
        try:
            known = fresh.body if fresh else self._once.body_of(once)
        except (OSError, sqlite3.Error) as error:
            self._keeper.failed(error)
            return CANT_STORE
        if known is None:
            self._waiting[once] = judged.fresh[once] = Fresh(digest)
            return STORED
        if known == digest:
            if fresh:
                judged.repeated.append((len(judged.answers), fresh))
            return _REPEATED
        self._log.repeat(
            logging.ERROR,
            f"alarm: a signature came again with another body source={asked.source}",
        )
        return _REPLAYED


def fork(storer: Storer) -> tuple[socket.socket, int]:
    """Starts a storer as a process of its own.

    Returns:
        The server's end of the socket, and the process id.
    """
    storer.begin()
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
