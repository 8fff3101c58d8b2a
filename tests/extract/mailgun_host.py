"""A scripted HTTP host, for what no well-meant stand-in does."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from extract.home import now

NOON = 1_772_366_400  # 2026-03-01T12:00:00Z


def event(event_id: str, timestamp: Any = NOON, **fields: Any) -> dict[str, Any]:
    """An event; what a test does not care about has a default."""
    return {"id": event_id, "event": "delivered", "timestamp": timestamp, **fields}


def page(items: Iterable[Any], following: str | None = None) -> bytes:
    """A page of events; items that are bytes stand in it as they are."""
    listed = b",".join(
        item if isinstance(item, bytes) else compact(item) for item in items
    )
    return b'{"items":[%s],"paging":%s}' % (listed, compact({"next": following}))


def compact(value: Any) -> bytes:
    """JSON as providers write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Answer:
    """One answer of the host.

    Attributes:
        body: Its body.
        status: Its status.
        headers: Further headers.
        cut_at: Bytes of the body after which the connection ends; None: all.
        reset: Whether the connection is reset instead of answered.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    reset: bool = False


@dataclass(frozen=True)
class Request:
    """A request that the host got."""

    path: str
    headers: Mapping[str, str]
    connection: int
    body: bytes = b""


class Host:
    """Answers in the order of its script, the last answer again and again.

    Attributes:
        base_url: Scheme, host and port.
        requests: What it was asked.
        script: What it is yet to answer.
        statistics: What it answers when it is asked for those; told apart from the
            rest, since they are asked for whenever it is time.
        statistics_requests: What it was asked about them.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.requests: list[Request] = []
        self.statistics = Answer(b'{"stats": []}')
        self.statistics_requests: list[Request] = []
        self.script: list[Answer | Callable[[str], Answer]] = []

    def pages(self, *pages: Iterable[Any]) -> None:
        """Serves these pages to the latest lane, and an empty one at the end.

        Whoever asks for a window that ends earlier, the missing lane, gets nothing.
        """

        def serve(path: str) -> Answer:
            [end] = parse_qs(urlsplit(path).query).get("end", ["inf"])
            if float(end) < now().timestamp() - 60:
                return Answer(page(()))
            number = int(path.rpartition("/page-")[2]) if "/page-" in path else 0
            items = pages[number] if number < len(pages) else ()
            return Answer(page(items, f"{self.base_url}/v3/d/events/page-{number + 1}"))

        self.script = [serve]

    def log(self, items: list[dict[str, Any]], *, size: int = 2) -> None:
        """Serves what lies in the window, in pages of this size, like a real log.

        Args:
            items: Read anew for each answer, so that more may be stored meanwhile.
            size: Items of a page.
        """

        def serve(path: str) -> Answer:
            window, _, offset = path.partition("/page-")[2].partition("-")
            if not offset:
                query = parse_qs(urlsplit(path).query)
                window = f"{query['begin'][0]}to{query['end'][0]}"
            begin, end = map(float, window.split("to"))
            start = int(offset or 0)
            due = sorted(
                (item for item in items if begin <= item["timestamp"] < end),
                key=lambda item: float(item["timestamp"]),
            )
            domain = path.split("/")[2]
            following = (
                f"{self.base_url}/v3/{domain}/events/page-{window}-{start + size}"
            )
            return Answer(page(due[start : start + size], following))

        self.script = [serve]

    def windows(self) -> list[tuple[str, float, float]]:
        """What was asked for: domain, begin and end of each window."""
        windows = []
        for request in self.requests:
            address = urlsplit(request.path)
            if "begin" in (query := parse_qs(address.query)):
                begin, end = float(query["begin"][0]), float(query["end"][0])
                windows.append((address.path.split("/")[2], begin, end))
        return windows

    def answer(self, path: str) -> Answer:
        """The next answer."""
        following = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return following if isinstance(following, Answer) else following(path)


@contextmanager
def running_host() -> Iterator[Host]:
    """A host on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers, connection = dict(self.headers), self.client_address[1]
            request = Request(self.path, headers, connection, body)
            if "/stats/" in self.path:
                host.statistics_requests.append(request)
                answer = host.statistics
            else:
                host.requests.append(request)
                answer = host.answer(self.path)
            if answer.reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut_at])
            self.close_connection = answer.cut_at is not None

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ValueError, OSError):
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (ConnectionError, ValueError, OSError):
                return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host = Host(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
