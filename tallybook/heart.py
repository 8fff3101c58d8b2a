"""What the process at work is doing right now, for whoever asks.

Written to `run.json` at every step. It decides nothing and may be old; only what the
holder of the run lock wrote is shown.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

Step = Literal["extract", "forget", "build", "publish", "wait"]


@dataclass(frozen=True)
class Beat:
    """One beat of it.

    Attributes:
        pid: The process.
        step: What it is at.
        since: Since when.
        every: Seconds from tick to tick; None if it runs once.
        tick: Number of the tick, from 1.
        source, domain, lane: What is being read, while something is.
        next_at: When the next tick begins, while it waits.
        failures: Ticks in a row, up to now, in which something could not run.
        failing_since: When the first of them began.
    """

    pid: int
    step: Step
    since: datetime
    every: float | None = None
    tick: int = 1
    source: str = ""
    domain: str = ""
    lane: str = ""
    next_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None


class Heart:
    """Beats for as long as a process is at work.

    Args:
        home: The state folder.
        every: Seconds from tick to tick; None if it runs once.
    """

    def __init__(self, home: Path, every: float | None = None) -> None:
        """Writes nothing yet."""
        self._path = _path(home)
        self.beat = Beat(os.getpid(), "extract", datetime.now(UTC), every)

    def at(self, step: Step, next_at: datetime | None = None) -> None:
        """Notes that a step begins."""
        self._write(
            replace(
                self.beat,
                step=step,
                since=datetime.now(UTC),
                next_at=next_at,
                source="",
                domain="",
                lane="",
            )
        )

    def reads(self, source: str, domain: str, lane: str) -> None:
        """Notes what is being read; cheap if that is known already."""
        if (source, domain, lane) != (
            self.beat.source,
            self.beat.domain,
            self.beat.lane,
        ):
            self._write(replace(self.beat, source=source, domain=domain, lane=lane))

    def ticked(self, is_failed: bool) -> None:
        """Counts a tick."""
        beat = self.beat
        failing_since = beat.failing_since or datetime.now(UTC)
        self.beat = replace(
            beat,
            tick=beat.tick + 1,
            failures=beat.failures + 1 if is_failed else 0,
            failing_since=failing_since if is_failed else None,
        )

    def _write(self, beat: Beat) -> None:
        self.beat = beat
        new = self._path.with_suffix(".new")
        # On a full disk nobody learns of it; the work itself will say so.
        with suppress(OSError):
            new.write_bytes(msgspec.json.encode(beat))
            new.replace(self._path)


def last_beat(home: Path, pid: int) -> Beat | None:
    """What a process noted last; None if that one noted nothing."""
    try:
        beat = msgspec.json.decode(_path(home).read_bytes(), type=Beat)
    except (OSError, msgspec.DecodeError):
        return None
    return beat if beat.pid == pid else None


def _path(home: Path) -> Path:
    return home / "run.json"
