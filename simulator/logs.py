"""Mailgun's Logs API: the same pages, asked for in JSON and told with ISO instants.

{"start": …, "end": …, "filter": {"AND": [domain]}, "pagination": {"token": …}}
──▶ {"items": [{…, "@timestamp": …}], "pagination": {"next": token, …}}
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from simulator.clock import SECOND, instant_of, microseconds
from simulator.log import Log
from simulator.pages import (
    LARGEST_PAGE,
    BadQueryError,
    Page,
    Query,
    Stand,
    moment,
    stand_of,
)

PATH = "/v1/analytics/logs"

_TIMESTAMP = re.compile(rb'"timestamp":\s*("?)(-?[0-9.]+)\1')
_UNREADABLE = re.compile(rb'"timestamp":')
_USUAL_PAGE = 100


class Question(NamedTuple):
    """What was asked for.

    Attributes:
        domain: Whose events.
        stand: Where in its log.
    """

    domain: str
    stand: Stand


class _Value(msgspec.Struct):
    value: str


class _Condition(msgspec.Struct):
    attribute: str
    comparator: str
    values: list[_Value]


class _Filter(msgspec.Struct):
    AND: list[_Condition]


class _Pagination(msgspec.Struct, frozen=True):
    sort: str = "timestamp:desc"
    token: str = ""
    limit: int = _USUAL_PAGE


class _Asked(msgspec.Struct):
    start: str
    end: str
    filter: _Filter
    pagination: _Pagination = _Pagination()
    events: list[str] = []
    include_subaccounts: bool = False
    include_totals: bool = False


def question(body: bytes) -> Question:
    """Reads a request.

    Raises:
        BadQueryError: It makes no sense, or asks for what is not simulated.
    """
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except msgspec.MsgspecError as error:
        raise BadQueryError(str(error)) from error
    conditions = asked.filter.AND
    if (
        len(conditions) != 1
        or (conditions[0].attribute, conditions[0].comparator) != ("domain", "=")
        or len(conditions[0].values) != 1
    ):
        raise BadQueryError("only one filter is simulated: one domain")
    domain = conditions[0].values[0].value
    if asked.pagination.token:
        return Question(domain, stand_of(asked.pagination.token))
    if not 1 <= asked.pagination.limit <= LARGEST_PAGE:
        raise BadQueryError(f"limit must be between 1 and {LARGEST_PAGE}")
    ascending = {"timestamp:asc": True, "timestamp:desc": False}
    if asked.pagination.sort not in ascending:
        raise BadQueryError("sort must be timestamp:asc or timestamp:desc")
    low, high = _instant(asked.start), _instant(asked.end)
    if low >= high:
        raise BadQueryError("start must be before end")
    query = Query(
        low,
        high,
        ascending[asked.pagination.sort],
        asked.pagination.limit,
        tuple(asked.events),
    )
    return Question(domain, Stand(query, up=query.ascending, edge=None))


def written(log: Log, page: Page) -> bytes:
    """A page as the Logs API writes it."""
    items = b",".join(
        _with_instant(bytes(log.bodies(place, place + 1))) for place in page.positions
    )
    tokens = {name: stand.token() for name, stand in page.links.items()}
    return b'{"items":[%s],"pagination":%s}' % (items, msgspec.json.encode(tokens))


def _with_instant(body: bytes) -> bytes:
    """An item whose time is an ISO instant; what is none keeps what it has."""
    found = _TIMESTAMP.search(body)
    at = round(float(found[2]) * SECOND) if found else None
    if found is None or at is None or not 0 < at < 2**55:
        return _UNREADABLE.sub(b'"@timestamp":', body, count=1)
    iso = instant_of(at).isoformat(timespec="microseconds").replace("+00:00", "Z")
    told = b'"@timestamp":"%s"' % iso.encode()
    return body[: found.start()] + told + body[found.end() :]


def _instant(text: str) -> int:
    """ISO 8601 or RFC 2822, in microseconds.

    Raises:
        BadQueryError: It is neither.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return moment(text)
    return microseconds(at if at.tzinfo else at.replace(tzinfo=UTC))
