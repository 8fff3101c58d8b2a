"""Replays that were asked for while a run lives; its next tick carries them out.

    ask ──▶ requests/replay-….json ──▶ next tick ──▶ loaded ──▶ gone

A tick that is killed leaves the request, and the next one does it again: a dead letter
is replayed once, however often it is asked for.
"""

import os
import secrets
from pathlib import Path
from time import time_ns

import msgspec

from extract.replays import Wanted


class ReplayRequests:
    """The requests of a state folder.

    Args:
        home: The state folder.
    """

    def __init__(self, home: Path) -> None:
        """Opens nothing yet."""
        self._folder = home / "requests"

    def ask(self, wanted: Wanted) -> None:
        """Leaves a request.

        Raises:
            OSError: The state folder can't be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"replay-{time_ns():020}-{secrets.token_hex(4)}"
        new = self._folder / f"{name}.new"
        with new.open("wb") as file:
            file.write(msgspec.json.encode(wanted))
            file.flush()
            os.fsync(file.fileno())
        new.rename(new.with_suffix(".json"))

    def waiting(self) -> dict[Path, Wanted]:
        """What was asked for, the oldest first."""
        asked: dict[Path, Wanted] = {}
        for path in sorted(self._folder.glob("replay-*.json")):
            try:
                asked[path] = msgspec.json.decode(path.read_bytes(), type=Wanted)
            except msgspec.DecodeError:
                path.unlink(missing_ok=True)  # nobody's request
        return asked

    def done(self, path: Path) -> None:
        """Takes a request away that was carried out."""
        path.unlink(missing_ok=True)
