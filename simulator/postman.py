"""Posts events to webhooks over HTTP, and again until somebody takes them.

outbox ─▶ post ─▶ attempt ─▶ 2xx: acknowledged
             ╰──── anything else, or a mishap on the way: another attempt
"""

import asyncio
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import msgspec

from simulator.knobs import PostKnobs, turned
from simulator.outbox import Batch, Outbox, Post, Sealer
from simulator.wire import Request, Response
from simulator.world import World

_LONGEST_WAIT = 2.0
_PATIENCE = 10.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_FINAL = {("mailgun", "406")}
"""After these answers a provider doesn't try again."""


class Postman:
    """Posts whatever is due to whoever wants it.

    Attributes:
        sealer: Has the keys.
    """

    def __init__(self, world: World, now: Callable[[], int]) -> None:
        """Waits for an address.

        Args:
            world: What there is to tell.
            now: The simulated clock, in microseconds.
        """
        self.sealer = Sealer(world)
        self._now = now
        self._outbox = Outbox(world)
        self._knobs = PostKnobs()
        self._woken = asyncio.Event()
        self._pending = 0
        self._totals: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()

    def wake(self) -> None:
        """Looks again for what is due."""
        self._woken.set()

    def control(self, request: Request) -> Response:
        """Turns knobs, and tells what was posted so far."""
        if request.method == "POST":
            try:
                self._knobs = turned(self._knobs, request.body)
            except ValueError as error:
                message = msgspec.json.encode({"message": str(error)})
                return Response(HTTPStatus.BAD_REQUEST, (message,))
            self.wake()
        return Response(HTTPStatus.OK, (msgspec.json.encode(self._told()),))

    def _told(self) -> dict[str, Any]:
        now = self._now()
        due = sum(self._outbox.due(provider, now) for provider in self._knobs.to)
        return {
            "pending": self._pending + due,
            "acknowledged": self._totals["acknowledged"],
            "given_up": self._totals["given_up"],
            "posts": self._totals["posts"],
            "answers": self._answers,
            "knobs": asdict(self._knobs),
        }

    async def run(self) -> None:
        """Posts for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            batches = deque(self._outbox.take(self._knobs, self._now()))
            self._pending = sum(len(batch.bodies) for batch in batches)
            carriers = range(self._knobs.connections)
            await asyncio.gather(*(self._carry(batches) for _ in carriers))

    async def _carry(self, batches: deque[Batch]) -> None:
        """Posts one batch after the other over one connection."""
        connection = _Connection()
        try:
            while batches:
                batch = batches.popleft()
                is_taken = await self._deliver(batch, connection)
                what = "acknowledged" if is_taken else "given_up"
                self._totals[what] += len(batch.bodies)
                self._totals["posts"] += is_taken
                self._pending -= len(batch.bodies)
        finally:
            connection.reset()

    async def _deliver(self, batch: Batch, connection: "_Connection") -> bool:
        """Tries until it is taken; whether it was."""
        post = self.sealer.seal(batch, self._knobs, int(time.time()))
        address = urlsplit(self._knobs.to[batch.provider])
        for attempt in range(self._knobs.attempts):
            mishap = self._mishap(batch, attempt)
            try:
                async with asyncio.timeout(_PATIENCE):
                    answer = await connection.post(address, post, mishap)
            except (OSError, EOFError, ValueError) as error:
                connection.reset()
                answer = type(error).__name__
            self._answers[mishap or answer] += 1
            if answer.startswith("2") and not mishap:
                return True
            if (batch.provider, answer) in _FINAL:
                return False
            wait = self._knobs.retry_ms / 1_000 * 2**attempt
            await asyncio.sleep(min(wait, _LONGEST_WAIT))
        return False

    def _mishap(self, batch: Batch, attempt: int) -> str:
        """What goes wrong on the way, if anything does."""
        knobs = self._knobs
        draw = self.sealer.draw("mishap", batch.number, attempt)
        for name in ("resets", "unanswered", "unread"):
            share = getattr(knobs, name)
            if draw < share:
                return name
            draw -= share
        return ""


class _Connection:
    """A connection that is kept alive, as far as there is one."""

    def __init__(self) -> None:
        """Connects to nobody yet."""
        self._netloc = ""
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, address: SplitResult, post: Post, mishap: str) -> str:
        """Makes one attempt.

        Args:
            address: Where to.
            post: What.
            mishap: What goes wrong on the way.

        Returns:
            The status of the answer; nothing if it was not waited for.

        Raises:
            OSError: There is no connection, or it broke.
            EOFError: It was closed before the answer was there.
            ValueError: The answer is no HTTP.
        """
        if self._writer is None or self._netloc != address.netloc:
            self.reset()
            self._reader, self._writer = await asyncio.open_connection(
                address.hostname, address.port
            )
            self._netloc = address.netloc
        lines = [
            f"POST {address.path} HTTP/1.1",
            f"Host: {address.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(post.body)}",
            *(f"{name}: {value}" for name, value in post.headers.items()),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        half = len(post.body) // 2 if mishap == "resets" else len(post.body)
        self._writer.write(head + post.body[:half])
        await self._writer.drain()
        if mishap in {"resets", "unanswered"}:
            self.reset()
            return ""
        return await self._answer()

    def reset(self) -> None:
        """Breaks the connection."""
        writer, self._writer = self._writer, None
        if writer is not None:
            made = cast(socket.socket, writer.get_extra_info("socket"))
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()

    async def _answer(self) -> str:
        first = await self._reader.readuntil(b"\r\n")
        length, closes = 0, False
        while (line := await self._reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "content-length":
                length = int(value)
            closes |= (name.lower(), value.strip().lower()) == ("connection", "close")
        await self._reader.readexactly(length)
        if closes:
            self.reset()
        return first.split(b" ")[1].decode("latin-1")
