"""A run that never stops: one living process, a tick every so often.

    tick ──▶ extract ──▶ build, with its tests ──▶ publish ──▶ wait ──▶ tick …
      ╰── could not run: said, noted, and tried again after a longer wait ──╯

What takes seconds is paid for once: imports, and dbt's reading of the project. What
goes wrong in a tick never ends the process; SIGTERM does, after the page in hand, the
build or the publication, whichever it is at.
"""

import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Protocol, TypeVar

import duckdb

from extract.home import SettingsError
from extract.pipeline import Memory
from tallybook import status
from tallybook.build import Dbt
from tallybook.errors import CannotRunError
from tallybook.heart import Heart
from tallybook.lock import turn
from tallybook.run import Listener, Run, run

T = TypeVar("T")

HAND_OVER = 60.0
"""Seconds of reading after which what there is is built, so that numbers move while a
backlog is read."""

LONGEST_WAIT = 900.0
"""Seconds between two ticks while nothing works."""

EXPECTED = (SettingsError, CannotRunError, OSError, duckdb.Error)
"""What may go wrong in a tick and be right in the next."""


class Witness(Listener, Protocol):
    """Whoever is told how ticks go."""

    def ticked(self, done: Run, seconds: float) -> None:
        """Called when a tick has ended."""

    def failed(self, error: CannotRunError, wait: float) -> None:
        """Called when a tick could not run, with the seconds until the next."""


class Ending:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._asked = threading.Event()

    def is_asked(self) -> bool:
        """Whether it was."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> None:
        """Waits, but no longer than until it is."""
        self._asked.wait(seconds)

    def by_signal(self, work: Callable[[], T]) -> T:
        """Works until done, while SIGTERM and SIGINT ask to end.

        The work has a thread of its own: on the main one dlt would take the signals
        for itself, and give up what it is loading. A second signal ends at once.

        Args:
            work: What to do; asks `is_asked` now and then.

        Returns:
            What the work returns.

        Raises:
            BaseException: What the work raises.
        """

        def ask(_: int, __: FrameType | None) -> None:
            if self._asked.is_set():
                raise KeyboardInterrupt
            self._asked.set()

        done: Future[T] = Future()

        def do() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again by result()
                done.set_exception(error)

        before = {
            number: signal.signal(number, ask)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            threading.Thread(target=do, name="work", daemon=True).start()
            return done.result()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_for_ever(
    home: Path,
    every: float,
    witness: Witness,
    ending: Ending,
    words: Callable[[Exception], CannotRunError],
) -> None:
    """Ticks until it is asked to end; the caller holds the lock.

    Args:
        home: The state folder.
        every: Seconds from the beginning of a tick to that of the next.
        witness: Told of each step.
        ending: Says when to end.
        words: Puts an expected error into words.
    """
    dbt, memory, heart = Dbt(home), Memory(), Heart(home, every)
    while not ending.is_asked():
        begun = monotonic()
        try:
            with turn(home, ending.is_asked) as is_mine:
                if not is_mine:
                    return
                done = run(
                    home,
                    witness,
                    dbt=dbt,
                    memory=memory,
                    heart=heart,
                    seconds=HAND_OVER,
                    is_ending=ending.is_asked,
                )
                heart.ticked(done.exit_status == 2)
                status.note(home)
        except EXPECTED as error:
            told = words(error)
            status.note_problem(home, "run", told.problem)
            heart.ticked(is_failed=True)
            wait = patience(every, heart.beat.failures)
            witness.failed(told, wait)
        else:
            seconds = monotonic() - begun
            witness.ticked(done, seconds)
            wait = max(every - seconds, 0.0)
        # While nobody waits: dbt leaves a hundred thousand objects in cycles, which by
        # itself Python looks for once there are ten million.
        gc.collect()
        heart.at("wait", datetime.now(UTC) + timedelta(seconds=wait))
        ending.wait(wait)


def patience(every: float, failures: int) -> float:
    """Seconds to wait after so many ticks in a row that could not run."""
    return float(max(every, min(every * 2.0 ** min(failures - 1, 20), LONGEST_WAIT)))
