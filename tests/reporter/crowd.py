"""Many reporters in one process, as an app's workers are; run by test_crowd.py.

crowd.py URL FIRST COUNT ROUNDS PAUSE RESULT
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from reporter import Event, Limits, Reporter, Spade


class Noted:
    """A sink that notes what the door has taken."""

    def __init__(self, url: str) -> None:
        """Keeps the address."""
        self._spade = Spade(url)
        self.ids: list[str] = []

    def __call__(self, events: Sequence[Event]) -> None:
        """Sends, and notes if that worked."""
        self._spade(events)
        self.ids += [event.id for event in events]


def main(url: str, first: int, count: int, rounds: int, pause: float) -> object:
    """Reports in rounds, and closes.

    Returns:
        What became of it, for each reporter.
    """
    crowd: list[tuple[Noted, Reporter]] = []
    for number in range(first, first + count):
        sink = Noted(url)
        # Every tenth gives up soon, so that losses are counted as well.
        attempts = 2 if number % 10 == 0 else 200
        limits = Limits(
            interval=2.0, attempts=attempts, first_pause=0.2, longest_pause=2.0
        )
        crowd.append((sink, Reporter(sink, limits=limits)))
    for turn in range(rounds):
        for number, (_, reporter) in enumerate(crowd, first):
            reporter.report("worked", {"reporter": number, "turn": turn})
        time.sleep(pause)
    told = []
    for sink, reporter in crowd:
        reporter.close(120)
        (counts,) = reporter.counts().values()
        told.append({"ids": sink.ids, "counts": asdict(counts)})
    return told


if __name__ == "__main__":
    url, first, count, rounds, pause, result = sys.argv[1:]
    told = main(url, int(first), int(count), int(rounds), float(pause))
    Path(result).write_text(json.dumps(told))
