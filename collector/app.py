"""The door as an ASGI application.

    POST /webhooks/<source>/<secret> ──▶ Webhook ──▶ Storer ──▶ status
    GET  /healthz, /metrics

Limits of time, of headers and of connections are the server's: see `collector.server`.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hmac import compare_digest
from http import HTTPStatus
from pathlib import Path
from time import time, time_ns

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from collector.body import BodyError, GoneError, Held, Room, expected, read
from collector.link import Link
from collector.log import Log
from collector.metrics import Metrics
from collector.providers import Way, Ways, ways
from collector.settings import Address, home
from collector.storer import Storer
from collector.wire import Answer, Asked

RETRY_AFTER = b"30"
"""Seconds after which a sender may come again."""


class Door:
    """What the routes share.

    Args:
        storer: Judges and stores what comes.
    """

    def __init__(self, storer: Storer) -> None:
        """Starts nothing yet."""
        self.log = Log()
        self.metrics = Metrics()
        self.room = Room()
        self.link = Link(storer, self.metrics, self.log)
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
        self._reads = way.verifier.reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        try:
            answer = await self._answer(scope, receive)
        except BodyError as refused:
            answer = Answer(refused.status, refused.reason)
        except GoneError:
            self._door.metrics.answered(self._way.source, 0, "gone")
            return
        source, status, reason = self._way.source, answer.status, answer.reason
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
            return await door.link.ask(
                Asked(
                    address.source,
                    address.domain,
                    time_ns() // 1_000,
                    {name: headers[name] for name in self._reads if name in headers},
                ),
                body,
            )

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


def application(told: Ways, folder: Path, clock: Callable[[], float] = time) -> Router:
    """The application.

    Args:
        told: Who may come in.
        folder: The inbox.
        clock: Seconds since the epoch, for replay windows; another one in tests only.
    """
    verifiers = {way.source: way.verifier for way in told.is_open}
    door = Door(Storer(folder, verifiers, clock))

    async def healthz(_: Request) -> Response:
        is_well = door.link.is_alive
        return PlainTextResponse(
            "ok\n" if is_well else "dead\n", 200 if is_well else 503
        )

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(
            door.metrics.text(), media_type="text/plain; version=0.0.4"
        )

    @asynccontextmanager
    async def lifespan(_: Router) -> AsyncIterator[None]:
        await door.link.start()
        for closed in told.closed:
            door.log.say(logging.WARNING, closed)
        yield
        await door.link.stop()

    # Without Starlette's middleware, which turns exceptions into pages and costs as
    # much as the routes: none is raised here on purpose, and uvicorn answers 500.
    return Router(
        [
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
        redirect_slashes=False,
        lifespan=lifespan,
    )


def create() -> Router:
    """The application as the settings ask for it, for another ASGI server.

    Raises:
        SettingsError: A setting makes no sense.
    """
    return application(ways(), home() / "inbox")
