"""The door for events of apps and browsers.

    POST /spade, … ──▶ origin or key ──▶ rate ──▶ size ──▶ keep() ──▶ inbox
    OPTIONS ──▶ which pages may send

A browser can't lie about its page's origin, so pages are known by it. Everyone else is
known by a key in the address; neither is a secret for long, and so what anyone can
bring in is bounded: a rate, small bodies, and a room of their own, so that whatever
clients do there is room for webhooks.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from collector.body import BodyError, GoneError, Held, Room, expected, read
from collector.client_form import SOURCES, Kept, keep
from collector.client_settings import Clients
from collector.metrics import lines

if TYPE_CHECKING:
    from collector.app import Door

LARGEST = 512 * 1024
"""Bytes of a client's body, as it comes and inflated."""

MOST_WAITING = 16 * 1024 * 1024
"""Bytes of all clients' bodies in hand: a quarter of what webhooks have."""

BURST = 10
"""Seconds' worth of requests that may come at once."""

SCRIPT = Path(__file__).with_name("client.js")

_PREFLIGHT_SECONDS = b"86400"
_RETRY_AFTER = {429: b"5", 503: b"30"}


class Rate:
    """A bucket that fills steadily; each request takes a drop.

    Args:
        per_second: Requests.
    """

    def __init__(self, per_second: float) -> None:
        """Full."""
        self._per_second = per_second
        self._drops = self._most = per_second * BURST
        self._at = monotonic()

    def take(self) -> bool:
        """Whether there was a drop."""
        now = monotonic()
        self._drops = min(self._most, self._drops + (now - self._at) * self._per_second)
        self._at = now
        if self._drops < 1:
            return False
        self._drops -= 1
        return True


class _Small(Held):
    """Holds no more than a client may send."""

    def take(self, size: int) -> None:
        if self.size + size > LARGEST:
            raise BodyError(413, "too_large")
        super().take(size)


class Desk:
    """What the three endpoints share.

    Args:
        door: What all routes share.
        clients: What the settings say.
    """

    def __init__(self, door: "Door", clients: Clients) -> None:
        """Nobody has come yet."""
        self.clients = clients
        self.log = door.log
        self.metrics = door.metrics
        self.store = door.store
        self.rate = Rate(clients.rate)
        self.room = Room(MOST_WAITING)
        self.counts = Counts()
        self.metrics.more.append(self.counts.text)
        self.metrics.gauges["client_waiting_bytes"] = lambda: self.room.held


class ClientEvents:
    """One of the three endpoints.

    Args:
        desk: What they share.
        source: Which one.
    """

    def __init__(self, desk: Desk, source: str) -> None:
        """Opens it."""
        self._desk = desk
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        is_known = origin.lower() in self._desk.clients.origins
        try:
            status, reason = self._judge(scope, headers, origin, is_known)
            if status == 204 and scope["method"] == "POST":
                status, reason = await self._take(headers, receive)
        except BodyError as refused:
            status, reason = refused.status, refused.reason
        except GoneError:
            self._desk.metrics.answered(self._source, 0, "gone")
            return
        self._desk.metrics.answered(self._source, status, reason)
        if status != 204:
            self._desk.log.repeat(
                logging.WARNING,
                f"refused source={self._source} status={status} reason={reason}",
            )
        response = Response(status_code=status)
        told = response.raw_headers
        told.append((b"vary", b"origin"))
        if status in _RETRY_AFTER:
            told.append((b"retry-after", _RETRY_AFTER[status]))
        if is_known:
            told += [
                (b"access-control-allow-origin", origin),
                # A beacon carries cookies whether anyone wants them or not.
                (b"access-control-allow-credentials", b"true"),
            ]
            if scope["method"] == "OPTIONS":
                told += [
                    (b"access-control-allow-methods", b"POST"),
                    (b"access-control-allow-headers", b"content-type"),
                    (b"access-control-max-age", _PREFLIGHT_SECONDS),
                ]
        await response(scope, receive, send)

    def _judge(
        self, scope: Scope, headers: dict[bytes, bytes], origin: bytes, is_known: bool
    ) -> tuple[int, str]:
        """Whether a request may come in at all."""
        clients = self._desk.clients
        if origin or scope["method"] == "OPTIONS":
            if not is_known:
                return 403, "wrong_origin"
        elif (clients.keys or not clients.is_local) and not _has_key(
            scope["query_string"], clients.keys
        ):
            return 401, "wrong_key"
        if scope["method"] == "OPTIONS":
            return 204, "preflight"
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > LARGEST:
            return 413, "too_large"
        return (204, "") if self._desk.rate.take() else (429, "too_many")

    async def _take(
        self, headers: dict[bytes, bytes], receive: Receive
    ) -> tuple[int, str]:
        """Keeps what is allowed of a body, and waits until it is on disk."""
        inflater = expected(headers)
        with _Small(self._desk.room) as held:
            body = await read(receive, inflater, held)
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            kept = keep(self._source, content_type, body, self._desk.clients.allowed)
            answer = await self._desk.store(self._source, kept.stored)
        if answer.status == 204:
            self._desk.counts.add(self._source, kept)
        return answer.status, answer.reason


class Counts:
    """What Prometheus is told of events, beside requests."""

    def __init__(self) -> None:
        """All at zero."""
        self._events: Counter[tuple[str, ...]] = Counter()
        self._dropped: Counter[tuple[str, ...]] = Counter()
        self._dead: Counter[tuple[str, ...]] = Counter()

    def add(self, source: str, kept: Kept) -> None:
        """A request was stored."""
        self._events[source,] += kept.events
        self._dropped[source,] += kept.dropped
        for reason, count in kept.dead.items():
            self._dead[source, reason] += count

    def text(self) -> Iterator[str]:
        """All of them, in Prometheus' text format."""
        source = ("source",)
        yield from lines("client_events_total", "Events stored.", source, self._events)
        yield from lines(
            *("client_properties_dropped_total", "On no allow-list."),
            *(source, self._dropped),
        )
        yield from lines(
            *("client_dead_total", "What could not become an event."),
            *(("source", "reason"), self._dead),
        )


def _has_key(query: bytes, keys: Sequence[bytes]) -> bool:
    """Whether a request's address has a key; all are compared, whichever it is."""
    given = parse_qs(query.decode("latin-1")).get("key", [""])[0].encode()
    return any([compare_digest(given, key) for key in keys])  # noqa: C419 - all of them


async def script(request: Request) -> Response:
    """The browser's reporter; any page may have it."""
    file = FileResponse(
        SCRIPT,
        stat_result=SCRIPT.stat(),
        media_type="text/javascript",
        headers={
            "cache-control": "public, max-age=3600",
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
            "x-content-type-options": "nosniff",
        },
    )
    known = request.headers.get("if-none-match", "").split(",")
    # A proxy that compresses makes the tag a weak one; it means the same file.
    if {tag.strip().removeprefix("W/") for tag in known} & {"*", file.headers["etag"]}:
        of_a_body = {"content-length", "content-type"}
        told = {k: v for k, v in file.headers.items() if k not in of_a_body}
        return Response(status_code=304, headers=told)
    return file


def routes(door: "Door", clients: Clients) -> list[Route]:
    """The door's routes for clients."""
    desk = Desk(door, clients)
    return [
        *(
            Route(f"/{source}", ClientEvents(desk, source), methods=["POST", "OPTIONS"])
            for source in SOURCES
        ),
        Route("/client.js", script),
    ]
