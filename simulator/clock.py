"""Instants as whole microseconds since 1970-01-01 UTC, the unit of this package.

Integers add, compare and sort exactly; a float of seconds does not.
"""

from datetime import UTC, date, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """The instant as microseconds since the epoch.

    Args:
        instant: Must know its offset from UTC.

    Raises:
        TypeError: The instant has no zone.
    """
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(at: int) -> datetime:
    """The UTC datetime of `at` microseconds since the epoch."""
    return _EPOCH + at * _MICROSECOND


def utc_day(at: int) -> date:
    """The UTC calendar day of `at` microseconds since the epoch."""
    return instant_of(at).date()
