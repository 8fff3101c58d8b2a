"""The server's side of the storer: requests go out in bundles, answers come back.

Webhook ──▶ ask() ──▶ bundle of this turn of the loop ──▶ storer
╰──────── answer ◀──────────────────────────╯

Verifying is what costs most. The storer does it, until it is behind: then the server
verifies what comes, so that both cores are busy whichever of the two has more to do.
"""

import asyncio
import logging
import os
from collections import deque
from typing import cast

from collector import wire
from collector.keeper import CANT_STORE
from collector.log import Log
from collector.metrics import Metrics
from collector.storer import Storer, fork
from collector.verdict import Refused
from collector.wire import Answer, Asked

_PAUSE = 1.0
"""Seconds after which a storer that died is replaced."""

_BEHIND = 8
"""Requests that wait to be judged, from which on the server verifies as well."""


class Link(asyncio.Protocol):
    """A storer, and who waits for it.

    Args:
        storer: What is to run in a process of its own.
        metrics: Told of each group.
        log: Told when it dies.
    """

    def __init__(self, storer: Storer, metrics: Metrics, log: Log) -> None:
        """Starts nothing yet."""
        self._storer = storer
        self._metrics = metrics
        self._log = log
        self._transport: asyncio.Transport | None = None
        self._pid = 0
        self._is_ending = False
        self._asked = 0
        self._bundle: list[bytes] = []
        self._waiting: deque[tuple[int, asyncio.Future[Answer]]] = deque()
        self._received = bytearray()

    async def start(self) -> None:
        """Starts a storer."""
        self._asked = 0
        ours, self._pid = fork(self._storer)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self, sock=ours)

    async def stop(self) -> None:
        """Lets the storer end, and waits for it."""
        self._is_ending = True
        if self._transport is not None:
            self._transport.close()
            await asyncio.to_thread(os.waitpid, self._pid, 0)

    @property
    def is_alive(self) -> bool:
        """Whether anything can be stored at all."""
        return self._transport is not None

    async def ask(self, asked: Asked, body: bytes) -> Answer:
        """Has a request judged and stored."""
        if self._transport is None:
            return CANT_STORE
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        if self._asked - self._storer.judged >= _BEHIND:
            self._send()  # what it can begin with
            verdict = self._storer.verify(asked, body)
            if isinstance(verdict, Refused):
                return Answer(verdict.status, verdict.reason)
            asked.once = verdict.once
        self._asked += 1
        self._waiting.append((len(body), answer))
        if not self._bundle:
            loop.call_soon(self._send)
        self._bundle += wire.frame(asked, body)
        return await answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The storer is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers have come: counts them, and wakes whoever waits."""
        self._received += data
        metrics = self._metrics
        messages, end = wire.take(memoryview(bytes(self._received)))
        for message, _ in messages:
            told = wire.told(message)
            stored = 0
            for answer in told.answers:
                size, waiting = self._waiting.popleft()
                if answer.reason == "stored":
                    stored += 1
                    metrics.bytes_stored += size
                if not waiting.done():
                    waiting.set_result(answer)
            metrics.records_stored += stored
            metrics.syncs += stored > 0
            metrics.sync_seconds += told.seconds
        del self._received[:end]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """The storer is gone; nobody knows what it stored of what was in hand."""
        self._transport = None
        self._bundle.clear()
        self._received.clear()
        while self._waiting:
            _, waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(CANT_STORE)
        if not self._is_ending:
            os.waitpid(self._pid, 0)
            self._log.say(logging.ERROR, "the storer died; another one is started")
            asyncio.get_running_loop().call_later(_PAUSE, self._again)

    def _again(self) -> None:
        if not self._is_ending:
            self._starting = asyncio.ensure_future(self.start())

    def _send(self) -> None:
        if self._bundle and self._transport is not None:
            self._transport.writelines(self._bundle)
        self._bundle.clear()
