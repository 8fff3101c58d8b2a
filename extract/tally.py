"""What a run counts, by kind, whatever the provider calls its events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "delivered",
    "opened",
    "temporary_failures",
    "permanent_failures",
    "unsubscribed",
    "complained",
]

Kinds = Mapping[str, Kind | None]
"""By the provider's name of an event, or by `name/severity` where that decides; None
for what is known and not counted by kind."""


@dataclass
class Tally:
    """What one run of a lane counted; events are those that are new in raw."""

    events: int = 0
    delivered: int = 0
    opened: int = 0
    temporary_failures: int = 0
    permanent_failures: int = 0
    unsubscribed: int = 0
    complained: int = 0
    unhandled: int = 0
    repeats: int = 0
    dead: int = 0

    def add(self, kinds: Kinds, name: str, severity: str | None, count: int) -> None:
        """Counts new events of one name and severity.

        Args:
            kinds: The provider's.
            name: Its name of the events.
            severity: Its severity, if they have one.
            count: How many they are.
        """
        self.events += count
        which = f"{name}/{severity}" if f"{name}/{severity}" in kinds else name
        kind = kinds.get(which)
        if kind is not None:
            setattr(self, kind, getattr(self, kind) + count)
        elif which not in kinds:
            self.unhandled += count
