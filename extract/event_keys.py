"""Event keys: a prefix, the event's UTC day, the provider's id.

An id of Mailgun's is unique within a UTC day only. The others' are unique by
themselves; that their keys hold the day, too, lets repeats be looked for there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from extract.windows import DAY, SECOND


class EventKeys:
    """Makes the keys of one provider's events.

    Args:
        prefix: What they begin with: the source, and what else its ids depend on.
    """

    def __init__(self, prefix: str) -> None:
        """Knows no day yet."""
        self._prefix = prefix
        self._days: dict[int, str] = {}

    def of(self, ids: Sequence[str], occurred_at: Sequence[int]) -> list[str]:
        """The keys of some events, in their order.

        Args:
            ids: What the provider calls them.
            occurred_at: Microseconds since the epoch.
        """
        days = [at // DAY for at in occurred_at]
        for day in set(days).difference(self._days):
            date = datetime.fromtimestamp(day * DAY // SECOND, UTC).date()
            self._days[day] = f"{self._prefix}:{date.isoformat()}:"
        return [
            self._days[day] + event_id for day, event_id in zip(days, ids, strict=True)
        ]
