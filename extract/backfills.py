"""Backfills: ranges that someone asked for, kept across restarts and kills.

    schedule ──▶ waiting ──▶ running ──────────────▶ read
                    │           ╰──▶ cancelling ──╮
                    ╰─────────────────────────────┴──▶ cancelled

One for each source. Whoever asks writes a file, whether a run lives or not; the next
tick takes it. A lock of its own, held for a moment, keeps the two apart: it is freed
when its holder dies. How far a backfill has come is committed with its rows, in the
pipeline's state; the file only repeats it, for those who ask.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock

from extract.windows import resumes_at

State = Literal["waiting", "running", "cancelling", "read", "cancelled"]

_OVER: frozenset[State] = frozenset({"read", "cancelled"})

_MOMENT = 10.0
"""Seconds that the lock is waited for; it is held for milliseconds."""


class BackfillError(Exception):
    """A backfill can't be had as asked for; the message says why and what to do."""


@dataclass(frozen=True)
class Backfill:
    """A range that someone asked for.

    Attributes:
        backfill_id: Tells it from others of the same range.
        source: What is read.
        begin: Microseconds since the epoch.
        end: First microsecond after the range.
        asked_at: When it was asked for.
        state: How far it has come.
        stopped: Where each domain stopped; one that stopped at `end` is done.
    """

    backfill_id: str
    source: str
    begin: int
    end: int
    asked_at: datetime
    state: State = "waiting"
    stopped: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be read for it."""
        return self.state in _OVER

    @property
    def cursor(self) -> int:
        """Where it goes on: at the earliest domain that was cut short."""
        if not self.stopped:
            return self.begin
        return resumes_at(self.stopped.values(), self.end)

    def replaced_by(self, wanted: "Backfill") -> "Backfill":
        """What there is after another one was asked for.

        Raises:
            BackfillError: This one runs.
        """
        if self.state == "running":
            raise BackfillError(
                f"a backfill of {self.source} runs already: wait until it has read "
                f"its range, or `tallybook backfill cancel {self.source}`"
            )
        return wanted

    def cancelled(self) -> "Backfill":
        """What there is after someone cancelled it.

        Raises:
            BackfillError: There is nothing left to cancel.
        """
        if self.is_over:
            raise BackfillError(
                f"the backfill of {self.source} has ended: there is none to cancel"
            )
        to: State = "cancelled" if self.state == "waiting" else "cancelling"
        return replace(self, state=to)

    def taken(self) -> "Backfill":
        """What there is after a tick has looked at it."""
        if self.state == "waiting":
            return replace(self, state="running")
        if self.state == "cancelling":
            return replace(self, state="cancelled")
        return self

    def progressed(
        self, stopped: Mapping[str, int], domains: tuple[str, ...]
    ) -> "Backfill":
        """What there is after a tick has read some of it.

        Args:
            stopped: Where each domain has stopped so far.
            domains: All that are to be read.
        """
        told = {d: stopped.get(d, self.begin) for d in domains}
        done = all(at >= self.end for at in told.values())
        if self.state == "cancelling":
            return replace(self, stopped=told, state="read" if done else "cancelled")
        return replace(self, stopped=told, state="read" if done else "running")


class Desk:
    """Where backfills of one source are asked for, and looked up.

    Args:
        home: The state folder.
        source: Name of the source.
    """

    def __init__(self, home: Path, source: str) -> None:
        """Opens nothing yet."""
        self._source = source
        self._folder = home / "requests"
        self._path = self._folder / f"backfill-{source}.json"

    def schedule(self, begin: int, end: int) -> Backfill:
        """Asks for a range; replaces one that has not begun, or has ended.

        Args:
            begin: Microseconds since the epoch.
            end: First microsecond after the range.

        Raises:
            BackfillError: One runs already, or the range is empty.
            OSError: The state folder can't be written.
        """
        if end <= begin:
            raise BackfillError("the range is empty: --since must be before --until")
        wanted = Backfill(
            secrets.token_hex(8), self._source, begin, end, datetime.now(UTC)
        )
        with self._locked():
            now = self._read()
            return self._write(now.replaced_by(wanted) if now else wanted)

    def cancel(self) -> Backfill:
        """Ends it after the page in hand; what was read is kept.

        Raises:
            BackfillError: There is nothing to cancel.
            OSError: The state folder can't be written.
        """
        with self._locked():
            now = self._read()
            if now is None:
                raise BackfillError(
                    f"no backfill of {self._source} was asked for: none to cancel"
                )
            return self._write(now.cancelled())

    def look(self) -> Backfill | None:
        """The newest backfill, however far it has come; None if there never was one."""
        return self._read()

    def take(self) -> Backfill | None:
        """What a tick is to go on with, if anything.

        One that was cancelled while no tick was at work ends here.

        Raises:
            OSError: The state folder can't be written.
        """
        if self._read() is None:
            return None
        with self._locked():
            now = self._read()
            if now is None or now.is_over:
                return None
            taken = self._write(now.taken())
        return None if taken.is_over else taken

    def progress(
        self, taken: Backfill, stopped: Mapping[str, int], domains: tuple[str, ...]
    ) -> Backfill | None:
        """Repeats here how far a tick has come.

        Args:
            taken: What the tick went on with.
            stopped: Where each domain has stopped so far.
            domains: All that are to be read.

        Returns:
            What there is to go on with; None when it has ended or was replaced.

        Raises:
            OSError: The state folder can't be written.
        """
        with self._locked():
            now = self._read() or taken
            if now.backfill_id != taken.backfill_id:
                return None
            told = self._write(now.progressed(stopped, domains))
        return None if told.is_over else told

    def is_cancelled(self, taken: Backfill) -> bool:
        """Whether someone has cancelled it since it was taken."""
        now = self._read()
        return now is not None and (
            now.backfill_id != taken.backfill_id or now.state != "running"
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / "lock", timeout=_MOMENT):
            yield

    def _read(self) -> Backfill | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Backfill)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write(self, backfill: Backfill) -> Backfill:
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(backfill))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        return backfill
