"""The door as an ASGI application.

    POST /webhooks/<source>/<secret> ──▶ Webhook ──▶ Committer ──▶ status
    GET  /healthz, /metrics

Limits of time, of headers and of connections are the server's: see `collector.server`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hmac import compare_digest
from http import HTTPStatus
from pathlib import Path
from time import time, time_ns

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from collector import mailgun
from collector.body import BodyError, GoneError, Held, Room, expected, read
from collector.committer import Answer, Committer, Waiting
from collector.log import Log
from collector.metrics import Metrics
from collector.once import Once
from collector.providers import Way, Ways, ways
from collector.settings import Address, home
from collector.verdict import CLOCK_SKEW
from inbox import Record, Writer, new_request_id

RETRY_AFTER = b"30"
"""Seconds after which a sender may come again."""


class Door:
    """What the routes share.

    Args:
        folder: The inbox.
        clock: Seconds since the epoch, for replay windows.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time) -> None:
        """Starts nothing yet."""
        self.log = Log()
        self.metrics = Metrics()
        self.room = Room()
        self.committer = Committer(
            Writer(folder),
            Once(folder, mailgun.REPLAY_WINDOW + CLOCK_SKEW),
            self.metrics,
            self.log,
            clock,
        )
        self.metrics.gauges["waiting_bytes"] = lambda: self.room.held


class Webhook:
    """One source's endpoint.

    Args:
        door: What the routes share.
        way: How the source gets in.
    """

    def __init__(self, door: Door, way: Way) -> None:
        """Opens it."""
        self._door = door
        self._way = way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        try:
            answer = await self._answer(scope, receive)
        except BodyError as refused:
            answer = Answer(refused.status, refused.reason)
        except GoneError:
            self._door.metrics.answered(self._way.source, 0, "gone")
            return
        source, (status, reason) = self._way.source, answer
        self._door.metrics.answered(source, status, reason)
        if status != 204:
            self._door.log.repeat(
                logging.WARNING,
                f"refused source={source} status={status} reason={reason}",
            )
        await send(_START[status])
        await send(_BODY[status])

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        address = self._address(scope["path_params"]["secret"].encode())
        if address is None:
            return Answer(404, "wrong_secret")
        headers = dict(scope["headers"])
        inflater = expected(headers)
        door = self._door
        with Held(door.room) as held:
            body = await read(receive, inflater, held)
            if not door.committer.is_alive:
                return Answer(503, "cant_store")
            received_at = time_ns() // 1_000
            record = Record(
                new_request_id(received_at),
                address.source,
                address.domain,
                received_at,
                body,
            )
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[Answer] = loop.create_future()
            door.committer.put(Waiting(record, headers, self._way.verifier, answer))
            return await answer

    def _address(self, given: bytes) -> Address | None:
        """Whom a path secret stands for; all are compared, whichever it is."""
        found = None
        for address in self._way.addresses:
            if compare_digest(given, address.secret):
                found = address
        return found


_STATUSES = (204, 400, 401, 404, 406, 413, 415, 503)

_WORDS = {
    status: b"" if status == 204 else f"{HTTPStatus(status).phrase}\n".encode()
    for status in _STATUSES
}

_HEADERS: dict[int, list[tuple[bytes, bytes]]] = {
    204: [],
    401: [(b"www-authenticate", b'Basic realm="webhooks"')],
    503: [(b"retry-after", RETRY_AFTER)],
}

_START = {
    status: {
        "type": "http.response.start",
        "status": status,
        "headers": [
            *_HEADERS.get(status, []),
            *(
                [
                    (b"content-type", b"text/plain; charset=utf-8"),
                    (b"content-length", b"%d" % len(words)),
                ]
                if words
                else []
            ),
        ],
    }
    for status, words in _WORDS.items()
}

_BODY = {
    status: {"type": "http.response.body", "body": words}
    for status, words in _WORDS.items()
}


def application(
    told: Ways, folder: Path, clock: Callable[[], float] = time
) -> Starlette:
    """The application.

    Args:
        told: Who may come in.
        folder: The inbox.
        clock: Seconds since the epoch, for replay windows; another one in tests only.
    """
    door = Door(folder, clock)

    async def healthz(_: Request) -> Response:
        is_well = door.committer.is_alive
        return PlainTextResponse(
            "ok\n" if is_well else "dead\n", 200 if is_well else 503
        )

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(
            door.metrics.text(), media_type="text/plain; version=0.0.4"
        )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        door.committer.start(asyncio.get_running_loop())
        for closed in told.closed:
            door.log.say(logging.WARNING, closed)
        yield
        await asyncio.to_thread(door.committer.stop)

    app = Starlette(
        routes=[
            *(
                Route(
                    f"/webhooks/{way.source}/{{secret}}",
                    Webhook(door, way),
                    methods=["POST"],
                )
                for way in told.is_open
            ),
            Route("/healthz", healthz),
            Route("/metrics", metrics),
        ],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def create() -> Starlette:
    """The application as the settings ask for it, for another ASGI server.

    Raises:
        SettingsError: A setting makes no sense.
    """
    return application(ways(), home() / "inbox")
