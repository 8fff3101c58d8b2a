"""The door as a process of its own, and senders that sign."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from inbox import Inbox, Received, Record

SCRIPT = Path(sys.executable).with_name("tallybook")

SENDGRID = "/webhooks/sendgrid/sendgrid-secret"
MAILGUN = "/webhooks/mailgun/mailgun-secret"
POSTMARK = "/webhooks/postmark/postmark-secret"
SECRETS = {
    "sendgrid-secret": "sendgrid",
    "mailgun-secret": "mailgun:mail.example.com",
    "postmark-secret": "postmark",
}

MAILGUN_KEY = "mailgun-signing-key"
OLD_MAILGUN_KEY = "mailgun-signing-key-of-yesterday"

WITH_CHANGES = """
import sys
from collector import body, log, server, storer
from collector.app import application
from collector.providers import ways
from collector.settings import home
clock = None
{changes}
log.set_up()
made = application(ways(), home() / "inbox", **({{"clock": clock}} if clock else {{}}))
server.run(made, server.bound("127.0.0.1", 0))
"""
"""The same as `tallybook serve`, but for what a test has changed before."""


@dataclass
class Door:
    """A running door.

    Attributes:
        process: Its first process.
        port: On loopback.
        home: Its state folder.
        log: The file that it writes its lines to.
    """

    process: "subprocess.Popen[bytes]"
    port: int
    home: Path
    log: Path

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> int:
        """The status that a request gets."""
        status, _, _ = self.ask("POST", path, body, headers)
        return status

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        return (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            text,
        )

    def counted(self, name: str) -> float:
        """A metric's value; 0 when it isn't there."""
        _, _, text = self.ask("GET", "/metrics")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        values = dict(line.rsplit(" ", 1) for line in lines)
        return float(values.get(f"tallybook_collector_{name}", 0))

    def records(self) -> list[Record]:
        """What is in the inbox."""
        return records(self.home)

    def bodies(self) -> list[bytes]:
        """The bodies of these."""
        return [record.body for record in self.records()]


def records(home: Path) -> list[Record]:
    """What a state folder's inbox holds."""
    found = Inbox(home / "inbox").read({})
    return [one.record for one in found if isinstance(one, Received)]


@contextmanager
def door(
    home: Path, *arguments: str, changes: str = "", **settings: str
) -> Iterator[Door]:
    """A door for as long as the block lasts.

    Args:
        home: Its state folder.
        arguments: Of `tallybook serve`.
        changes: Python that is run before it starts, instead of the command.
        settings: `COLLECTOR__…`, in lower case and without that.
    """
    log = home.parent / f"{home.name}-{secrets.token_hex(4)}.log"
    command = [str(SCRIPT), "serve", "--port", "0", *arguments]
    if changes:
        command = [sys.executable, "-c", WITH_CHANGES.format(changes=changes)]
    with log.open("wb") as lines:
        process = subprocess.Popen(
            command, env=environment(home, **settings), stdout=lines, stderr=lines
        )
    try:
        yield Door(process, _port(process, log), home, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Nothing but a home and some settings."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COLLECTOR__")
    }
    env["TALLYBOOK_HOME"] = str(home)
    env |= {f"COLLECTOR__{name.upper()}": value for name, value in settings.items()}
    env.setdefault("COLLECTOR__SECRETS", json.dumps(SECRETS))
    return env


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for line in log.read_text().splitlines():
            if "listening on" in line:
                return int(line.rpartition(":")[2])
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        time.sleep(0.01)
    raise RuntimeError("the door doesn't open")


def wait_for(is_so: Callable[[], bool]) -> None:
    """Waits until something is so; a minute means that it never will be."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


class SendGridSender:
    """Signs as SendGrid does."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = self._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self.public_key = base64.b64encode(der).decode()

    def signed(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """Headers for a body.

        Args:
            body: Its bytes.
            at: When; now if it isn't said.
        """
        timestamp = str(int(time.time() if at is None else at))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        return sendgrid_headers(timestamp, base64.b64encode(signature).decode())


def sendgrid_headers(timestamp: str, signature: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        "X-Twilio-Email-Event-Webhook-Signature": signature,
    }


def mailgun_body(
    key: str, event: object, at: float | None = None, token: str | None = None
) -> bytes:
    """A body that is signed as Mailgun does.

    Args:
        key: The signing key.
        event: What happened.
        at: When it was signed; now if it isn't said.
        token: A new one if it isn't said.
    """
    timestamp = str(int(time.time() if at is None else at))
    token = token or secrets.token_hex(25)
    signed = hmac.new(key.encode(), (timestamp + token).encode(), hashlib.sha256)
    signature = {
        "timestamp": timestamp,
        "token": token,
        "signature": signed.hexdigest(),
    }
    return json.dumps({"signature": signature, "event-data": event}).encode()
