"""How late events reach the provider's log, measured on a sample of the time.

    a tenth of a trust window:  latest ─▶ look 1 ─▶ look 2 ─▶ … ─▶ look 9 ─▶ missing
                                            ╰── new here: late by at most this much

What only the missing lane finds has been away for some part of the trust window; the
lane alone can't tell which, for it comes by once, at the end. So one tenth in ten is
looked at again after each further tenth: one page more, ten times for each trust
window. What a look finds is loaded like anything else. If looks were left out, because
our process was down or had no time, what comes next measures us and is not counted.
"""

from collections.abc import Iterable
from math import ceil

from extract.windows import PAGE, SECOND, Errand, Window

PARTS = 10
"""Parts of a trust window; one of as many is sampled."""

LONGEST_GAP = 3
"""Parts between two looks, beyond which the later one measures our own absence."""


class Lateness:
    """The measure of one domain, for as long as a process lives.

    Args:
        trust_window: Seconds after which the provider's storage is stable.
    """

    def __init__(self, trust_window: int) -> None:
        """Has not looked yet."""
        self._part = trust_window * SECOND // PARTS
        self._sampled = Window(0, 0)
        self._looked_at: int | None = None
        self._is_looking = False
        self._ages: list[float] = []
        self._in_last_part = 0

    def look(self, now: int, latest_begin: int) -> Errand | None:
        """What to look at again, if it is time to.

        Args:
            now: The clock.
            latest_begin: Where latest began; what it has yet to read is its own.
        """
        part = now // self._part
        since = (part - 1) % PARTS
        window = Window((part - 1 - since) * self._part, (part - since) * self._part)
        if since == 0 or window.end > latest_begin:
            return None
        if window.begin != self._sampled.begin:
            if since >= LONGEST_GAP:
                return None
            self._sampled, self._looked_at = window, None
        elif self._looked_at is not None and self._looked_at // self._part == part:
            return None
        self._is_looking = True
        return Errand("missing", window, PAGE)

    def looked(self, now: int, through: int | None) -> None:
        """Takes in how a look ended.

        Args:
            now: The clock.
            through: How far it came; None if it failed.
        """
        self._is_looking = False
        if through is not None:
            self._sampled = Window(
                self._sampled.begin, min(self._sampled.end, max(through, 1))
            )
            self._looked_at = now

    def found(self, occurred_at: Iterable[int], now: int) -> None:
        """Takes in what is new, to a look or to the missing lane.

        Args:
            occurred_at: When it happened, microseconds since the epoch.
            now: The clock.
        """
        if self._looked_at is None:
            if not self._is_looking:
                return
        elif now - self._looked_at > LONGEST_GAP * self._part:
            return
        sampled = [
            at for at in occurred_at if self._sampled.begin <= at < self._sampled.end
        ]
        self._ages += [(now - at) / SECOND for at in sampled]
        self._in_last_part += 0 if self._is_looking else len(sampled)

    def figures(self) -> dict[str, float | int | None]:
        """The columns of raw.lane_runs; begins anew."""
        ages, self._ages = sorted(self._ages), []
        last, self._in_last_part = self._in_last_part, 0
        return {
            "late": len(ages),
            "late_in_last_tenth": last,
            "lateness_p50": _quantile(ages, 0.5),
            "lateness_p99": _quantile(ages, 0.99),
            "lateness_max": _quantile(ages, 1.0),
        }


def _quantile(ordered: list[float], share: float) -> float | None:
    """The smallest value that this share does not exceed."""
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None
