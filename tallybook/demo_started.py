"""The processes of the demo: simulated providers, and a door that they post to."""

import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, cast
from urllib.request import Request, urlopen

import msgspec

from extract.home import ROOT
from tallybook.errors import CannotRunError

_LISTENING = re.compile(r"listening on (http://\S+)")
_PATIENCE = 10.0


@dataclass(frozen=True)
class Posted:
    """What SendGrid has posted so far; events, but for `posts`."""

    posts: int
    acknowledged: int
    pending: int
    given_up: int


@dataclass(frozen=True)
class Door:
    """Where events are posted.

    Attributes:
        url: The door.
        sendgrid: The address that SendGrid is given.
    """

    url: str
    sendgrid: str


@dataclass(frozen=True)
class Providers:
    """The simulated ones, as they say of themselves."""

    base_url: str
    api_key: str
    domains: list[str]
    posting_domains: dict[str, list[str]]
    sendgrid_public_key: str

    @property
    def sendgrid_domain(self) -> str:
        """The domain whose mail goes through SendGrid."""
        [domain] = self.posting_domains["sendgrid"]
        return domain

    def set_clock(self, now: datetime, door: Door) -> Posted:
        """Lets providers tell what they have stored by then, and us ask up to then.

        Args:
            now: The simulated clock.
            door: Where SendGrid is to post.

        Returns:
            What SendGrid has posted, once nothing is left to post.

        Raises:
            CannotRunError: The door doesn't take it.
        """
        os.environ["TALLYBOOK_NOW"] = now.isoformat()
        self._ask("control", {"now": now})
        self._ask("posts", {"to": {"sendgrid": door.sendgrid}})
        until = time.monotonic() + _PATIENCE
        while True:
            told = msgspec.json.decode(self._ask("posts"), type=Posted)
            if told.given_up or time.monotonic() > until:
                raise CannotRunError("The door does not take what SendGrid posts.")
            if not told.pending:
                return told
            time.sleep(0.02)

    def _ask(self, door: str, settings: object = None) -> bytes:
        body = None if settings is None else msgspec.json.encode(settings)
        request = Request(f"{self.base_url}/{door}", body)  # noqa: S310 - loopback
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            told: bytes = answer.read()
        return told


@contextmanager
def _ended_with_the_block(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ends a process that this one started, whatever happens meanwhile."""
    with process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def simulator(application: Path, settings: Mapping[str, str]) -> Iterator[Providers]:
    """Providers in a process of their own.

    Args:
        application: Folder for the application's tables.
        settings: Of the simulated world.
    """
    world = [word for name, value in settings.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "simulator", "--app-folder", str(application)]
    # Its stdin is its lifeline: should this process die, it ends by itself.
    process = subprocess.Popen(  # noqa: S603 - our own module
        [*command, *world], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with _ended_with_the_block(process):
        ready = cast("IO[bytes]", process.stdout).readline()
        if not ready:
            raise CannotRunError(
                "The simulated providers did not start.",
                "See above for their own words; `python -m simulator` shows more.",
            )
        yield msgspec.json.decode(ready, type=Providers)


@contextmanager
def door(
    home: Path, providers: Providers, origin: str, allowed: Mapping[str, list[str]]
) -> Iterator[Door]:
    """`tallybook serve` in a process of its own, on a port that is free.

    Args:
        home: State folder.
        providers: Who is to post.
        origin: Of the page that may report.
        allowed: Properties of its events.
    """
    secret = secrets.token_urlsafe(24)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COLLECTOR__")
    } | {
        "TALLYBOOK_HOME": str(home),
        "COLLECTOR__SECRETS": msgspec.json.encode(
            {secret: f"sendgrid:{providers.sendgrid_domain}"}
        ).decode(),
        "COLLECTOR__SENDGRID_PUBLIC_KEYS": providers.sendgrid_public_key,
        "COLLECTOR__ALLOWED_ORIGINS": origin,
        "COLLECTOR__ALLOWED_PROPERTIES": msgspec.json.encode(allowed).decode(),
    }
    log = home / "logs" / "door.log"
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tallybook", "serve", "--port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, stderr=stderr, env=environment, cwd=ROOT
        )
    with _ended_with_the_block(process):
        until = time.monotonic() + _PATIENCE
        while not (found := _LISTENING.search(log.read_text("utf-8"))):
            if process.poll() is not None or time.monotonic() > until:
                raise CannotRunError(
                    "The door did not open.", f"Its own words are in {log}."
                )
            time.sleep(0.02)
        yield Door(found[1], f"{found[1]}/webhooks/sendgrid/{secret}")
