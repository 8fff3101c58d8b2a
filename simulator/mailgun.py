"""A stand-in Mailgun: its events and statistics over HTTP, and a door to control it.

What it answers:

    GET  /v3/{domain}/events            first page of a range
    GET  /v3/{domain}/events/{token}    where `paging` leads
    GET  /v3/{domain}/stats/total       counts by UTC day
    POST /v1/analytics/logs             the same events, asked for another way
    GET  /control                       what was asked and answered so far
    POST /control                       turns knobs (`simulator.knobs`)
"""

import base64
import hmac
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from simulator import logs
from simulator.clock import DAY, microseconds
from simulator.knobs import Knobs, turned
from simulator.log import Log
from simulator.pages import BadQueryError, Page, Reader, Stand, first_stand, stand_of
from simulator.stats import totals
from simulator.wire import Request, Response
from simulator.world import World

_HOST = "127.0.0.1"


class Mailgun:
    """Answers requests about a world.

    Attributes:
        api_key: What basic auth must give as the password of the user `api`.
    """

    def __init__(self, world: World) -> None:
        """Begins with a clock after everything and no mishaps.

        Args:
            world: What there is to tell.
        """
        self.api_key = f"key-{world.spec.random('api key').getrandbits(128):032x}"
        credentials = base64.b64encode(f"api:{self.api_key}".encode()).decode()
        self._authorization = f"Basic {credentials}".encode()
        self._world = world
        self._rng = world.spec.random("server")
        self._knobs = Knobs()
        self._requests: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._items_served = 0
        self._resources: dict[str, Callable[[Log, Request, str], Response]] = {
            "events": self._events,
            "stats": self._stats,
        }

    def answer(self, request: Request) -> Response:
        """The answer to any request."""
        if request.path == "/control":
            return self._control(request)
        response = self._provider(request)
        fell_short = response.ending != "whole"
        how = response.ending if fell_short else str(response.status.value)
        self._answers[how] += 1
        return replace(response, delay=self._knobs.latency_ms / 1_000)

    def _control(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self._knobs = turned(self._knobs, request.body)
            except ValueError as error:
                return _refusal(HTTPStatus.BAD_REQUEST, str(error))
        return _json(
            {
                "requests": self._requests,
                "answers": self._answers,
                "items_served": self._items_served,
                "knobs": asdict(self._knobs),
            }
        )

    def _provider(self, request: Request) -> Response:
        """What the provider answers, or fails to."""
        if request.path == logs.PATH and request.method == "POST":
            resource, answer = "logs", self._analytics_logs
        else:
            prefix, _, rest = request.path.removeprefix("/").partition("/")
            domain, _, rest = rest.partition("/")
            resource, _, rest = rest.partition("/")
            known = self._resources.get(resource)
            if prefix != "v3" or request.method != "GET" or known is None:
                return _refusal(HTTPStatus.NOT_FOUND, "no such page")
            answer = partial(self._of_domain, known, domain, rest)
        self._requests[resource] += 1
        authorization = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(authorization, self._authorization):
            return _refusal(HTTPStatus.UNAUTHORIZED, "Forbidden")
        return self._mishap() or self._perhaps_truncated(answer(request))

    def _of_domain(
        self,
        resource: Callable[[Log, Request, str], Response],
        domain: str,
        rest: str,
        request: Request,
    ) -> Response:
        if domain not in self._world.domains:
            return _refusal(HTTPStatus.NOT_FOUND, f"Domain not found: {domain}")
        return resource(self._world.log(domain), request, rest)

    def _analytics_logs(self, request: Request) -> Response:
        try:
            question = logs.question(request.body)
        except BadQueryError as problem:
            return _refusal(HTTPStatus.BAD_REQUEST, str(problem))
        if question.domain not in self._world.domains:
            return _refusal(
                HTTPStatus.NOT_FOUND, f"Domain not found: {question.domain}"
            )
        log = self._world.log(question.domain)
        page = self._turn(self._reader(log), question.stand)
        self._items_served += len(page.positions)
        return Response(HTTPStatus.OK, (logs.written(log, page),))

    def _mishap(self) -> Response | None:
        """Now and then, something else than an answer."""
        knobs, draw = self._knobs, self._rng.random()
        if draw < knobs.too_many_requests:
            wait = {"Retry-After": str(knobs.retry_after)}
            status = HTTPStatus.TOO_MANY_REQUESTS
            return _refusal(status, "Too many requests", wait)
        draw -= knobs.too_many_requests
        if draw < knobs.server_errors:
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error")
        if draw - knobs.server_errors < knobs.resets:
            return Response(HTTPStatus.OK, ending="reset")
        return None

    def _perhaps_truncated(self, response: Response) -> Response:
        if self._rng.random() < self._knobs.truncated:
            return replace(response, ending="truncated")
        return response

    def _events(self, log: Log, request: Request, token: str) -> Response:
        try:
            stand = stand_of(token) if token else first_stand(request.query, self.now())
        except BadQueryError as problem:
            return _refusal(HTTPStatus.BAD_REQUEST, str(problem))
        page = self._turn(self._reader(log), stand)
        self._items_served += len(page.positions)
        here = request.path.removesuffix(f"/{token}") if token else request.path
        base = f"http://{request.headers.get('host', _HOST)}{here}"
        links = {name: f"{base}/{link.token()}" for name, link in page.links.items()}
        paging = msgspec.json.encode(links)
        return Response(
            HTTPStatus.OK,
            (b'{"items":[', _bodies(log, page.positions), b'],"paging":', paging, b"}"),
        )

    def _reader(self, log: Log) -> Reader:
        """A log as it looks now."""
        now, oldest = self.now(), 0
        if self._knobs.retention_days is not None:
            oldest = now - int(self._knobs.retention_days * DAY)
        return Reader(log, now, oldest)

    def _turn(self, reader: Reader, stand: Stand) -> Page:
        """The page at a stand, with what the knobs do to it."""
        knobs, rng = self._knobs, self._rng
        repeated: list[int] = []
        if knobs.repeated:
            before = reader.page_before(stand)
            repeated = [item for item in before if rng.random() < knobs.repeated]
        page = reader.page(stand, repeated)
        if knobs.reordered and rng.random() < knobs.reordered:
            rng.shuffle(page.positions)
        return page

    def _stats(self, log: Log, request: Request, rest: str) -> Response:
        if rest != "total":
            return _refusal(HTTPStatus.NOT_FOUND, "no such page")
        try:
            return _json(totals(log, request.query, self.now()))
        except BadQueryError as problem:
            return _refusal(HTTPStatus.BAD_REQUEST, str(problem))

    def now(self) -> int:
        """The simulated clock, in microseconds."""
        now = self._knobs.now
        return self._world.last_stored_at if now is None else microseconds(now)


def _bodies(log: Log, positions: list[int]) -> bytes | memoryview:
    """The items as the inside of a JSON list."""
    if not positions:
        return b""
    first, last = positions[0], positions[-1]
    if positions == list(range(first, last + 1)):
        return log.bodies(first, last + 1)
    return b",".join(log.bodies(position, position + 1) for position in positions)


def _json(value: Any) -> Response:
    return Response(HTTPStatus.OK, (msgspec.json.encode(value),))


def _refusal(
    status: HTTPStatus, message: str, headers: dict[str, str] | None = None
) -> Response:
    body = msgspec.json.encode({"message": message})
    return Response(status, (body,), headers or {})
