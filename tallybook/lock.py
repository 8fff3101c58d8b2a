"""One run at a time on a machine.

The lock is flock's: the system frees it when its process ends, however it
ends, so a dead run holds nothing. Who holds it is written into the lock file
for the message alone; it decides nothing.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from tallybook.errors import CannotRunError

PATIENCE = 5.0
"""Seconds that a command waits: `status` holds the lock for a moment, a run longer."""

LONG_PATIENCE = 600.0
"""Seconds that a check waits for the tick of a run that lives for ever."""

FOR_EVER = "run --every"
"""How the command of such a run begins."""

_GLANCE = 0.5
"""Seconds after which a waiting tick looks whether it is to end."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock.

    Attributes:
        pid: Its process.
        doing: Its command.
        since: When it took the lock.
    """

    pid: int
    doing: str
    since: datetime


class RunningError(CannotRunError):
    """Another process is at work in the same state folder.

    Attributes:
        holder: Who it is; None when it has not said so yet.
    """

    def __init__(self, home: Path, holder: Holder | None) -> None:
        """Names the process, so that a person can look at it."""
        who = (
            f"`tallybook {holder.doing}`, process {holder.pid}, since "
            f"{holder.since:%Y-%m-%d %H:%M:%S} UTC,"
            if holder
            else "another process"
        )
        super().__init__(
            f"{who} is at work in {home}.",
            "One run at a time: try again when it has ended.",
        )
        self.holder = holder


@contextmanager
def only_run(home: Path, doing: str, patience: float = PATIENCE) -> Iterator[None]:
    """Holds the state folder's run lock while the block lasts.

    Args:
        home: The state folder; made when it isn't there.
        doing: The command, for whoever finds the lock taken.
        patience: Seconds to wait for a lock that is taken.

    Yields:
        Nothing: the lock is held.

    Raises:
        RunningError: Another process holds the lock.
        CannotRunError: The folder can't be written.
    """
    path = home / "run.lock"
    lock = FileLock(path, timeout=patience)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunningError(home, _written(path)) from None
    except OSError as error:
        raise CannotRunError(
            f"The state folder {home} can't be written: {error.strerror}.",
            "Make it writable, or set TALLYBOOK_HOME to a folder that is.",
        ) from error
    try:
        holder = Holder(os.getpid(), doing, datetime.now(UTC))
        path.write_bytes(msgspec.json.encode(holder))
        yield
    finally:
        lock.release()


@contextmanager
def turn(home: Path, is_ending: Callable[[], bool]) -> Iterator[bool]:
    """A tick's turn in the warehouse, of a run that holds the run lock for ever.

    Args:
        home: The state folder.
        is_ending: Whether the process was asked to end while it waits.

    Yields:
        Whether it has its turn; if not, it is to end.
    """
    lock = FileLock(home / "tick.lock")
    while not is_ending():
        try:
            # Whoever waits already goes first, however soon tick follows tick.
            with FileLock(home / "next.lock", timeout=_GLANCE):
                lock.acquire(timeout=_GLANCE)
        except Timeout:
            continue
        try:
            yield True
        finally:
            lock.release()
        return
    yield False


@contextmanager
def between_ticks(
    home: Path, doing: str, patience: float = LONG_PATIENCE
) -> Iterator[None]:
    """Holds the run lock or, while `run --every` lives, the turn between two ticks.

    The next tick waits for as long as the block lasts.

    Args:
        home: The state folder.
        doing: The command, for whoever finds the lock taken.
        patience: Seconds to wait for the end of a tick.

    Raises:
        RunningError: Another command is at work, or the tick takes longer.
        CannotRunError: The folder can't be written.
    """
    with ExitStack() as held:
        try:
            held.enter_context(only_run(home, doing))
        except RunningError as error:
            if not error.holder or not error.holder.doing.startswith(FOR_EVER):
                raise
            lock = FileLock(home / "tick.lock", timeout=patience)
            try:
                with FileLock(home / "next.lock", timeout=patience):
                    lock.acquire()
            except Timeout:
                raise error from None
            held.callback(lock.release)
        yield


def _written(path: Path) -> Holder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None
