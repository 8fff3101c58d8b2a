"""A webhook that takes posts and checks their signatures, but stores nothing."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key


@dataclass(frozen=True)
class Got:
    """A request that arrived whole."""

    path: str
    headers: dict[str, str]
    body: bytes

    def is_sendgrids(self, public_key: str) -> bool:
        """Whether SendGrid signed it with this key."""
        key = load_der_public_key(base64.b64decode(public_key))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        signature = self.headers["x-twilio-email-event-webhook-signature"]
        signed = self.headers["x-twilio-email-event-webhook-timestamp"].encode()
        try:
            key.verify(
                base64.b64decode(signature),
                signed + self.body,
                ec.ECDSA(hashes.SHA256()),
            )
        except InvalidSignature:
            return False
        return True

    def is_mailguns(self, signing_key: str) -> bool:
        """Whether Mailgun signed it with this key."""
        told = json.loads(self.body)["signature"]
        text = f"{told['timestamp']}{told['token']}".encode()
        mine = hmac.new(signing_key.encode(), text, hashlib.sha256).hexdigest()
        return bool(mine == told["signature"])

    @property
    def events(self) -> list[Any]:
        """What it tells."""
        told = json.loads(self.body)
        return told if isinstance(told, list) else [told["event-data"]]


@contextmanager
def webhook(answer: Callable[[int], int]) -> Iterator[tuple[str, list[Got]]]:
    """Listens on loopback for as long as the block lasts.

    Args:
        answer: The status for the request of this number.

    Yields:
        The address, and the requests so far.
    """
    got: list[Got] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            got.append(Got(self.path, headers, body))
            self.send_response(answer(len(got) - 1))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - resets are asked for
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
