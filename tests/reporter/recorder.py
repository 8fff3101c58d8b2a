"""A collector's stand-in that keeps what it is sent, and answers as told."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs


class Recorder:
    """What came, and what the next ones are told.

    Attributes:
        url: Its address.
        bodies: As they came, also those that were refused.
        refusals: Statuses for the next requests; 204 once there are none left.
        text: What a GET is answered; None for 404.
    """

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[tuple[str, bytes]] = []
        self.taken: list[tuple[str, bytes]] = []
        self.refusals: list[int] = []
        self.text: str | None = None

    def batches(self, path: str = "/spade", *, all_of: bool = False) -> list[Any]:
        """Decoded batches of a path; with `all_of` those that were refused, too."""
        came = self.bodies if all_of else self.taken
        return [_decoded(at, body) for at, body in came if at == path]

    def events(self, path: str = "/spade") -> list[Any]:
        return [event for batch in self.batches(path) for event in batch]


def _decoded(path: str, body: bytes) -> Any:
    (data,) = parse_qs(body.decode(), strict_parsing=True)["data"]
    if path == "/spade":
        data = base64.b64decode(data, validate=True).decode()
    return json.loads(data)


@contextmanager
def recording() -> Iterator[Recorder]:
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            recorder.bodies.append((self.path, body))
            status = recorder.refusals.pop(0) if recorder.refusals else 204
            if status == 204:
                recorder.taken.append((self.path, body))
            self.send_response(status)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            text = (recorder.text or "").encode()
            self.send_response(200 if recorder.text is not None else 404)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Stays quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
