"""Runs the stand-in as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import urlsplit

from simulator.knobs import KnobSettings
from simulator.spec import Spec

_PATIENCE = 10.0
"""Seconds that an asked process has to end."""


class Simulator:
    """A running stand-in.

    Attributes:
        base_url: Scheme and host, without a path.
        api_key: For basic auth, user `api`.
        domains: Sending domains.
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
        return self._ask("POST", json.dumps(knobs, default=datetime.isoformat))

    def counts(self) -> dict[str, Any]:
        """What was asked and answered so far; the same as `control` returns."""
        return self._ask("GET", None)

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

    def _ask(self, method: str, body: str | None) -> dict[str, Any]:
        connection = HTTPConnection(urlsplit(self.base_url).netloc)
        try:
            connection.request(method, "/control", body)
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
