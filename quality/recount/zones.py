"""Local days by `zoneinfo`, on the pinned tzdata package and nothing else.

The models look days up in a table of intervals, and `ops_reconciliation` asks the
engine; here each instant is asked for its own date.
"""

from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

SECOND = 1_000_000
"""Microseconds."""

_WIDEST = 26 * 3_600
"""Seconds that a date's instants may lie before or after its UTC midnight."""

_EPOCH_DAY = date(1970, 1, 1)


@cache
def zone(name: str | None) -> ZoneInfo | None:
    """An IANA zone by its exact name; None if tzdata has none of that name."""
    package = resources.files("tzdata")
    if name not in _names() or name is None:
        return None
    # ZoneInfo(name) would take the machine's own data first.
    with package.joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@cache
def _names() -> frozenset[str]:
    text = resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return frozenset(text.split())


def local_date(microseconds: int, where: ZoneInfo) -> date:
    """The date that clocks showed at an instant."""
    return datetime.fromtimestamp(microseconds // SECOND, where).date()


def bounds(day: date, where: ZoneInfo) -> tuple[int, int]:
    """The first instant of a local day and the first after it, in microseconds."""
    return _first(day, where), _first(day + timedelta(days=1), where)


def _first(day: date, where: ZoneInfo) -> int:
    """The first second whose local date is not before this one."""
    midnight = (day - _EPOCH_DAY).days * 86_400
    low, high = midnight - _WIDEST, midnight + _WIDEST
    while low < high:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, where).date() >= day:
            high = middle
        else:
            low = middle + 1
    return low * SECOND
