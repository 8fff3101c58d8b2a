"""Short lines about what the door does; nothing that was sent is in them.

2026-03-01T12:00:00Z warning refused source=sendgrid status=401 reason=too_old times=3
"""

import logging
import sys
import traceback
from time import gmtime, monotonic
from types import TracebackType

logger = logging.getLogger("collector")

_QUIET = 10.0
"""Seconds between two lines that say the same."""


class Log:
    """Says what happens, the same thing not too often."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._said: dict[str, float] = {}
        self._kept_back: dict[str, int] = {}

    def say(self, level: int, text: str) -> None:
        """Says something now.

        Args:
            level: As `logging` has them.
            text: From our own words only.
        """
        logger.log(level, text)

    def repeat(self, level: int, text: str) -> None:
        """Says something that may happen a thousand times a second.

        Args:
            level: As `logging` has them.
            text: One of few.
        """
        times = self._kept_back.pop(text, 0) + 1
        now = monotonic()
        if now - self._said.get(text, -_QUIET) < _QUIET:
            self._kept_back[text] = times
            return
        self._said[text] = now
        logger.log(level, text if times == 1 else f"{text} times={times}")


class _Lines(logging.Formatter):
    """One line for an event; of an error its kind and place, not what it says."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = gmtime

    def format(self, record: logging.LogRecord) -> str:
        record.levelname = record.levelname.lower()
        record.msg = str(record.msg).strip()
        return super().format(record).replace("\n", " ")

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        kind, _, trace = ei
        places = [
            f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(trace)
        ]
        return f"{kind.__name__ if kind else ''} at {' '.join(places[-3:])}"


def set_up() -> None:
    """Sends our lines and the server's errors to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    for name, level in (
        ("collector", logging.INFO),
        ("uvicorn.error", logging.ERROR),
        ("asyncio", logging.ERROR),
    ):
        told = logging.getLogger(name)
        told.handlers, told.propagate = [handler], False
        told.setLevel(level)
