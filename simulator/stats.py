"""Mailgun's statistics of a domain: counts for each UTC day."""

from collections import Counter
from typing import Any

from simulator.clock import DAY, instant_of
from simulator.log import Log
from simulator.pages import BadQueryError, moment, refuse_others

_PARTS = {
    ("accepted",): ("incoming", "outgoing"),
    ("delivered",): ("smtp", "http"),
    ("failed", "temporary"): ("espblock",),
    ("failed", "permanent"): (
        "suppress-bounce",
        "suppress-unsubscribe",
        "suppress-complaint",
        "bounce",
        "delayed-bounce",
    ),
    ("opened",): (),
    ("clicked",): (),
    ("unsubscribed",): (),
    ("complained",): (),
    ("stored",): (),
}
"""What is told beside the total, by place in the answer."""

COUNTED = tuple(dict.fromkeys(name for name, *_ in _PARTS))
"""The event names that Mailgun keeps statistics of."""

_PARAMETERS = ("event", "start", "end", "resolution")
_USUAL_DAYS = 7
_MOST_DAYS = 3_660

_Counts = Counter[tuple[str, ...]]


def totals(log: Log, parameters: dict[str, list[str]], now: int) -> dict[str, Any]:
    """Counts of events by UTC day, in Mailgun's format.

    Args:
        log: The domain's log.
        parameters: event (once or more), start and end (epoch seconds or RFC 2822;
            both days are told whole), resolution (only `day`).
        now: What is stored later isn't counted; microseconds.

    Returns:
        start, end, resolution, and in `stats` an object for each day. Statistics
        outlive the retention of events.

    Raises:
        BadQueryError: A parameter is unknown, missing or makes no sense.
    """
    refuse_others(parameters, _PARAMETERS)
    if parameters.get("resolution", ["day"]) != ["day"]:
        raise BadQueryError("resolution: only day is simulated")
    names = parameters.get("event", [])
    if not names or not set(names) <= set(COUNTED):
        raise BadQueryError(f"event must be some of: {', '.join(COUNTED)}")
    last = (moment(parameters["end"][-1]) if "end" in parameters else now) // DAY
    first = last - _USUAL_DAYS
    if "start" in parameters:
        first = moment(parameters["start"][-1]) // DAY
    if not 0 <= last - first < _MOST_DAYS:
        raise BadQueryError(f"end must follow start by less than {_MOST_DAYS} days")
    days = range(first, last + 1)
    return {
        "description": "",
        "start": _date(first),
        "end": _date(last),
        "resolution": "day",
        "stats": [
            {"time": _date(day), **_told(_count(log, day, now), names)} for day in days
        ],
    }


def _count(log: Log, day: int, now: int) -> _Counts:
    """Events of a UTC day (days since 1970) by their place in the statistics."""
    start, stop = log.position_of(day * DAY), log.position_of((day + 1) * DAY)
    return Counter(
        log.statistic(position)
        for position in range(start, stop)
        if log.stored_at[position] <= now
    )


def _told(counts: _Counts, names: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for place, parts in _PARTS.items():
        name, *group = place
        if name in names:
            numbers = {part: counts[(*place, part)] for part in parts}
            numbers["total"] = sum(
                number
                for counted, number in counts.items()
                if counted[: len(place)] == place
            )
            if group:
                told.setdefault(name, {})[group[0]] = numbers
            else:
                told[name] = numbers
    return told


def _date(day: int) -> str:
    return instant_of(day * DAY).strftime("%a, %d %b %Y 00:00:00 UTC")
