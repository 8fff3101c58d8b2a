"""The real door, as a process of its own that can be killed and started again."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import msgspec

from inbox import Inbox, Received

ROOT = Path(__file__).parents[2]
TALLYBOOK = Path(sys.executable).with_name("tallybook")

PATIENCE = 60.0
"""Seconds after which a test gives up on the door."""


class Answered(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Served:
    """A door on loopback.

    Args:
        home: TALLYBOOK_HOME.
        settings: More of its environment.
        port: 0 for any that is free; kept through restarts.
    """

    def __init__(
        self, home: Path, settings: Mapping[str, object] | None = None, port: int = 0
    ) -> None:
        self.home = home
        self.port = port
        told = settings or {"COLLECTOR__CLIENT_KEYS": ["unused"]}
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("COLLECTOR__")},
            "TALLYBOOK_HOME": str(home),
            **{name: _written(value) for name, value in told.items()},
        }
        self._process: subprocess.Popen[str] | None = None
        self._log = home / "door.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [TALLYBOOK, "serve", "--port", f"{self.port}"],
                cwd=ROOT,
                env=self._environment,
                stderr=log,
                text=True,
            )
        end = monotonic() + PATIENCE
        while not (found := re.search(r"127\.0\.0\.1:(\d+)", self._said(begin))):
            assert self._process.poll() is None, self._said(begin)
            assert monotonic() < end, self._said(begin)
            sleep(0.02)
        self.port = int(found[1])

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answered(response.status, told, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: bytes, **headers: str) -> Answered:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, told)

    def records(self) -> list[tuple[str, Any]]:
        """What is in the inbox: sources, and the bodies as JSON."""
        return [
            (found.record.source, msgspec.json.decode(found.record.body))
            for found in Inbox(self.home / "inbox").read({})
            if isinstance(found, Received)
        ]

    def items(self) -> list[Any]:
        return [item for _, form in self.records() for item in form["items"]]

    def metrics(self) -> dict[str, float]:
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        prefix = "tallybook_collector_"
        return {name.removeprefix(prefix): float(value) for name, value in pairs}

    def _said(self, begin: int) -> str:
        return self._log.read_text()[begin:]

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None


def _written(value: object) -> str:
    is_list: Any = isinstance(value, Sequence | Mapping) and not isinstance(value, str)
    return json.dumps(value) if is_list else str(value)
