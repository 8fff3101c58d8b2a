"""Pages of a log: what was asked for, where one stands in it, what comes next.

A token carries the whole question and a position. Positions are places in the
log's order of (time, id), which never changes; so a page that is fetched later shows
what was stored meanwhile and sorts after its position, and never what sorts before.
"""

import base64
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from heapq import merge
from itertools import islice
from typing import Annotated, NamedTuple

import msgspec

from simulator.clock import SECOND, microseconds
from simulator.log import Log

LARGEST_PAGE = 300
_USUAL_PAGE = 100
_PARAMETERS = ("begin", "end", "ascending", "limit", "event")
_ALL_TIME = 2**55
"""Microseconds: a thousand years, which no date that is meant differs from 1970."""


class BadQueryError(ValueError):
    """The question can't be answered; the message says why."""


class Query(NamedTuple):
    """What was asked for.

    Attributes:
        low: First instant, in microseconds since the epoch.
        high: First instant after, in microseconds.
        ascending: Oldest first.
        limit: Most items of a page.
        names: Event names that are wanted; empty for all.
    """

    low: int
    high: int
    ascending: bool
    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)]
    names: tuple[str, ...]


class Stand(NamedTuple):
    """A question, and where one stands in the log.

    Attributes:
        query: The question.
        up: To walk towards later events, whichever way the page then shows them.
        edge: Position to walk from: up from it, or down from the one before it;
            None for the end of the range that one comes from.
    """

    query: Query
    up: bool
    edge: int | None

    def token(self) -> str:
        """The stand as a piece of a URL."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


class Page(NamedTuple):
    """What is shown.

    Attributes:
        positions: Of the items, in the order in which they are shown.
        links: Stands of the pages `next`, `previous`, `first` and `last`.
    """

    positions: list[int]
    links: dict[str, Stand]


def stand_of(token: str) -> Stand:
    """The stand that a token carries.

    Raises:
        BadQueryError: It is no token of ours.
    """
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=Stand)
    except (ValueError, msgspec.DecodeError) as error:
        raise BadQueryError("no such page") from error


def first_stand(parameters: dict[str, list[str]], now: int) -> Stand:
    """Where a question in URL parameters begins.

    Args:
        parameters: begin, end (epoch seconds or RFC 2822), ascending, limit, event
            (names joined by OR).
        now: Where a descending range begins when it isn't said; microseconds.

    Raises:
        BadQueryError: A parameter is unknown or makes no sense, or the range runs
            against the direction.
    """
    refuse_others(parameters, _PARAMETERS)
    given = {name: values[-1] for name, values in parameters.items()}
    begin = moment(given["begin"]) if "begin" in given else None
    end = moment(given["end"]) if "end" in given else None
    ascending = _direction(given.get("ascending"), begin, end)
    if ascending:
        low, high = begin or 0, _ALL_TIME if end is None else end
    else:
        low, high = end or 0, now if begin is None else begin
    if low >= high:
        raise BadQueryError(f"Inconsistent range: begin={begin}, end={end}")
    limit = given.get("limit", str(_USUAL_PAGE))
    if not limit.isdecimal() or not 1 <= int(limit) <= LARGEST_PAGE:
        raise BadQueryError(f"limit must be between 1 and {LARGEST_PAGE}")
    names = tuple(filter(None, map(str.strip, given.get("event", "").split(" OR "))))
    query = Query(low, high, ascending, int(limit), names)
    return Stand(query, up=ascending, edge=None)


def refuse_others(parameters: dict[str, list[str]], known: tuple[str, ...]) -> None:
    """Refuses a parameter that would be ignored.

    Raises:
        BadQueryError: A parameter isn't among the known ones.
    """
    unknown = parameters.keys() - set(known)
    if unknown:
        raise BadQueryError(f"not simulated: {', '.join(sorted(unknown))}")


def moment(text: str) -> int:
    """An instant in microseconds, from epoch seconds or an RFC 2822 date.

    Raises:
        BadQueryError: It is neither, or beyond all calendars.
    """
    try:
        at = float(text) * SECOND
    except ValueError:
        return _of_date(text)
    if not abs(at) < _ALL_TIME:
        raise BadQueryError(f"beyond all time: {text}")
    return round(at)


def _of_date(text: str) -> int:
    try:
        instant = parsedate_to_datetime(text)
    except ValueError as error:
        raise BadQueryError(f"neither epoch seconds nor RFC 2822: {text}") from error
    return microseconds(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def _direction(asked: str | None, begin: int | None, end: int | None) -> bool:
    """Whether oldest come first."""
    if asked is not None:
        return asked.lower() in {"yes", "true", "1"}
    if begin is None or end is None:
        raise BadQueryError("without begin and end, say which way: ascending=yes or no")
    return begin < end


class Reader:
    """Turns the pages of one log, as it looks at one instant."""

    def __init__(self, log: Log, now: int, oldest: int) -> None:
        """Begins to read.

        Args:
            log: The log.
            now: What is stored later isn't seen; microseconds.
            oldest: What happened earlier isn't either; microseconds.
        """
        self._log = log
        self._now = now
        self._oldest = oldest

    def page(self, stand: Stand, repeated: Sequence[int] = ()) -> Page:
        """The page at a stand.

        Args:
            stand: Where.
            repeated: Positions to be served again. They take the place of new items,
                but never of all, so that a walk gets on; and an empty page stays
                empty, so that a walk ends.
        """
        query = stand.query
        repeated = repeated[: query.limit - 1]
        found = list(islice(self._walk(stand), query.limit - len(repeated)))
        if stand.up != query.ascending:
            found.reverse()
        links = self._links(stand, found)
        return Page([*repeated, *found] if found else [], links)

    def page_before(self, stand: Stand) -> list[int]:
        """Positions of what a walk showed before it came to this stand."""
        if stand.edge is None:
            return []
        back = stand._replace(up=not stand.up)
        before = list(islice(self._walk(back), stand.query.limit))
        if stand.up == stand.query.ascending:
            before.reverse()
        return before

    def _links(self, stand: Stand, positions: list[int]) -> dict[str, Stand]:
        query = stand.query
        first = Stand(query, query.ascending, None)
        last = Stand(query, not query.ascending, None)
        if not positions:
            # Going on from here later shows what will have been stored meanwhile.
            forth = stand if stand.up == query.ascending else first
            back = stand if stand.up != query.ascending else last
        elif query.ascending:
            forth = Stand(query, up=True, edge=max(positions) + 1)
            back = Stand(query, up=False, edge=min(positions))
        else:
            forth = Stand(query, up=False, edge=min(positions))
            back = Stand(query, up=True, edge=max(positions) + 1)
        return {"next": forth, "previous": back, "first": first, "last": last}

    def _walk(self, stand: Stand) -> Iterator[int]:
        """Positions that fit the question and can be seen, from a stand onwards."""
        log, query = self._log, stand.query
        low = log.position_of(max(query.low, self._oldest))
        # Nothing is stored before it happens, so what is to come can't be seen.
        high = log.position_of(min(query.high, self._now + 1))
        if stand.edge is not None:
            if stand.up:
                low = max(low, stand.edge)
            else:
                high = min(high, stand.edge)
        stored_at, now = log.stored_at, self._now
        for position in self._wanted(query.names, low, high, up=stand.up):
            if stored_at[position] <= now:
                yield position

    def _wanted(
        self, names: tuple[str, ...], low: int, high: int, *, up: bool
    ) -> Iterator[int]:
        """Positions in [low, high) of these names, in the direction of the walk."""
        if not names:
            yield from range(low, high) if up else range(high - 1, low - 1, -1)
            return
        runs = []
        for name in set(names):
            places = self._log.positions(name)
            start, stop = bisect_left(places, low), bisect_left(places, high)
            steps = range(start, stop) if up else range(stop - 1, start - 1, -1)
            runs.append(map(places.__getitem__, steps))
        yield from merge(*runs, reverse=not up)
