"""`tallybook serve` as a process of its own, which may be killed and comes back."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator import Simulator

SECRETS = {provider: f"a-secret-for-{provider}" for provider in
           ("sendgrid", "mailgun", "postmark")}  # fmt: skip


class Door:
    """The door, on one port for all its lives.

    Attributes:
        addresses: Where each provider is to post.
    """

    def __init__(self, home: Path, host: Simulator) -> None:
        """Opens it.

        Args:
            home: The state folder.
            host: Whose posts it takes.
        """
        self._home = home
        self._port = _free_port()
        self._log = home.parent / "door.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("COLLECTOR__")
        } | {
            "TALLYBOOK_HOME": str(home),
            "COLLECTOR__SECRETS": json.dumps(
                {secret: provider for provider, secret in SECRETS.items()}
            ),
            "COLLECTOR__SENDGRID_PUBLIC_KEYS": host.sendgrid_public_key,
            "COLLECTOR__MAILGUN_SIGNING_KEYS": host.mailgun_signing_key,
            "COLLECTOR__POSTMARK_CREDENTIALS": host.postmark_credentials,
        }
        self.addresses = {
            provider: f"http://127.0.0.1:{self._port}/webhooks/{provider}/{secret}"
            for provider, secret in SECRETS.items()
        }
        self.open()

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kills it."""
        self.kill()

    def open(self) -> None:
        """Starts the process, and waits until it listens."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tallybook", "serve", "--port", str(self._port)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        until = time.monotonic() + 30
        while not re.search("listening on", self._log.read_text()):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """Kills the process, at whatever it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Lets it end by itself."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 0


def _free_port() -> int:
    """A port that nobody is given for a connection of theirs.

    Those of `--port 0` may be: a sender that keeps trying to reach a dead door can
    then be connected with itself, and hold the port.
    """
    for _ in range(100):
        port = random.randint(20_000, 30_000)  # noqa: S311
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
