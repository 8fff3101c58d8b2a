"""Runs the stand-in as a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import urlsplit

from simulator.knobs import KnobSettings, PostSettings
from simulator.spec import Spec

_PATIENCE = 10.0
"""Seconds that an asked process has to end."""


class Simulator:
    """A running stand-in.

    Attributes:
        base_url: Scheme and host, without a path.
        api_key: For basic auth, user `api`.
        domains: Sending domains of Mailgun's.
        sendgrid_public_key: Checks what SendGrid posts.
        mailgun_signing_key: Checks what Mailgun posts.
        postmark_credentials: User and password that Postmark's posts give.
    """

    def __init__(self, spec: Spec, app_folder: Path | None = None) -> None:
        """Starts it and waits until it is ready.

        Args:
            spec: The world that it serves.
            app_folder: Where it writes the application's tables; None for nowhere.

        Raises:
            RuntimeError: It did not start; its own words are on stderr.
        """
        command = [sys.executable, "-m", "simulator"]
        if app_folder is not None:
            command += ["--app-folder", str(app_folder)]
        for field in fields(Spec):
            value = getattr(spec, field.name)
            text = value.isoformat() if isinstance(value, datetime) else str(value)
            command += [f"--{field.name.replace('_', '-')}", text]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ready = self._process.stdout.readline() if self._process.stdout else ""
        if not ready:
            self.close()
            raise RuntimeError(f"the simulator ended with {self._process.returncode}")
        told = json.loads(ready)
        self.base_url: str = told["base_url"]
        self.api_key: str = told["api_key"]
        self.domains: tuple[str, ...] = tuple(told["domains"])
        self.sendgrid_public_key: str = told["sendgrid_public_key"]
        self.mailgun_signing_key: str = told["mailgun_signing_key"]
        self.postmark_credentials: str = told["postmark_credentials"]

    def control(self, **knobs: Unpack[KnobSettings]) -> dict[str, Any]:
        """Turns these knobs; the others stay.

        Args:
            **knobs: See `simulator.knobs.Knobs`.

        Returns:
            requests (by resource), answers (by status, or `reset`, `truncated`),
            items_served, and knobs as they are now.

        Raises:
            ValueError: There is no such knob, or it can't be turned so.
        """
        body = json.dumps(knobs, default=datetime.isoformat)
        return self._ask("POST", "/control", body)

    def counts(self) -> dict[str, Any]:
        """What was asked and answered so far; the same as `control` returns."""
        return self._ask("GET", "/control")

    def post(self, **knobs: Unpack[PostSettings]) -> dict[str, Any]:
        """Turns the knobs of what is posted to webhooks; the others stay.

        Args:
            **knobs: See `simulator.knobs.PostKnobs`.

        Returns:
            pending, acknowledged and given_up (events, repeats too), posts (that were
            taken), answers (attempts by status or mishap), knobs.

        Raises:
            ValueError: There is no such knob, or it can't be turned so.
        """
        return self._ask("POST", "/posts", json.dumps(knobs))

    def posted(self) -> dict[str, Any]:
        """What was posted so far; the same as `post` returns."""
        return self._ask("GET", "/posts")

    def wait_until_posted(self, seconds: float = 60.0) -> dict[str, Any]:
        """Waits until everything that is due and has an address was posted.

        Raises:
            TimeoutError: That takes longer than so many seconds.
        """
        until = time.monotonic() + seconds
        while (told := self.posted())["pending"]:
            if time.monotonic() > until:
                raise TimeoutError(f"not posted after {seconds} s: {told}")
            time.sleep(0.02)
        return told

    def close(self) -> None:
        """Ends the process, the one that this object started."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = HTTPConnection(urlsplit(self.base_url).netloc)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            told: dict[str, Any] = json.load(response)
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(told["message"])
        return told


@contextmanager
def serve(
    spec: Spec, *, app_folder: Path | None = None, **knobs: Unpack[KnobSettings]
) -> Iterator[Simulator]:
    """A stand-in for as long as the block lasts.

    Args:
        spec: The world to serve.
        app_folder: Where to write the application's tables; None for nowhere.
        **knobs: How it behaves from the start; see `simulator.knobs.Knobs`.

    Yields:
        The running stand-in.

    Raises:
        RuntimeError: It did not start.
        ValueError: A knob can't be turned so.
    """
    running = Simulator(spec, app_folder)
    try:
        if knobs:
            running.control(**knobs)
        yield running
    finally:
        running.close()
