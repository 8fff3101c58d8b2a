"""Mailgun's own counts of a domain's events by UTC day, to compare ours with.

    days that aren't final ──▶ GET /v3/{domain}/stats/total ──▶ raw.provider_stats

A day is asked for again until the provider may no longer add to it; and a domain not
more often than `EVERY`, since a tick has better things to do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import dlt
import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
from dlt.extract import DltResource
from dlt.extract.items import DataItemWithMeta

from extract.http import Client
from extract.mailgun_settings import SOURCE
from extract.tables import PROVIDER_STATS
from extract.windows import DAY

RESOURCE = "provider_stats"

EVERY = 900 * 1_000_000
"""Microseconds from one question to the next."""

KEPT_DAYS = 30
"""Days to ask about when nothing says since when: the longest that events are kept."""

MOST_DAYS = 90
"""Days of one answer."""

COUNTED = (
    "accepted",
    "delivered",
    "failed",
    "opened",
    "clicked",
    "unsubscribed",
    "complained",
    "stored",
)
"""The event names that Mailgun keeps statistics of."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Question:
    """Which days of a domain are to be asked for.

    Attributes:
        domain: Its name.
        first: The first day.
        last: The last day.
    """

    domain: str
    first: date
    last: date


class _Total(msgspec.Struct):
    total: int


class _Failed(msgspec.Struct):
    temporary: _Total
    permanent: _Total


class _Day(msgspec.Struct):
    time: str
    failed: _Failed | None = None
    accepted: _Total | None = None
    delivered: _Total | None = None
    opened: _Total | None = None
    clicked: _Total | None = None
    unsubscribed: _Total | None = None
    complained: _Total | None = None
    stored: _Total | None = None


class _Answer(msgspec.Struct):
    stats: list[_Day]


def question(
    warehouse: duckdb.DuckDBPyConnection,
    domain: str,
    now: int,
    *,
    trust_window: int,
    since: int | None,
    asked_at: int | None,
) -> Question | None:
    """What to ask about a domain now; None if that can wait.

    Args:
        warehouse: Knows what was answered before.
        domain: Its name.
        now: The clock, in microseconds.
        trust_window: Seconds after which the provider's storage is stable.
        since: Where our events begin, in microseconds.
        asked_at: When it was asked last without an answer, in microseconds.
    """
    held = warehouse.execute(
        """
        select day, epoch_us(min(as_of)) as as_of
        from raw.provider_stats
        where domain = ?
        group by day
        """,
        [domain],
    ).fetchall()
    last_asked = max([asked_at or 0, *(as_of for _, as_of in held)])
    if last_asked + EVERY > now >= last_asked:
        return None
    final = {
        day
        for day, as_of in held
        if as_of >= ((day - _EPOCH).days + 1) * DAY + trust_window * 1_000_000
    }
    today = now // DAY
    first = today - KEPT_DAYS if since is None else since // DAY
    open_days = [
        day
        for number in range(max(first, today - MOST_DAYS + 1), today + 1)
        if (day := _EPOCH + timedelta(days=number)) not in final
    ]
    return Question(domain, open_days[0], open_days[-1]) if open_days else None


def ask(client: Client, asked: Question, as_of: int) -> pa.Table:
    """Asks for a domain's counts.

    Args:
        client: Asks the domain's host.
        asked: The days.
        as_of: The clock, in microseconds.

    Returns:
        Rows of `provider_stats`; a day without events has them, too.

    Raises:
        NotUnderstoodError: The host answers with something else.
        ProviderError: The host refuses, or can't be reached.
    """
    query = "&".join(
        [
            *(f"event={name}" for name in COUNTED),
            f"start={_seconds(asked.first)}",
            f"end={_seconds(asked.last)}",
            "resolution=day",
        ]
    )
    answer = client.get(
        f"/v3/{quote(asked.domain, safe='')}/stats/total?{query}", _understood
    )
    return PROVIDER_STATS.rows(
        [
            {
                "domain": asked.domain,
                "day": day,
                "event_name": name,
                "count": count,
                "as_of": as_of,
            }
            for day, counts in answer.items()
            if asked.first <= day <= asked.last
            for name, count in counts.items()
        ]
    )


@dlt.source(name=SOURCE, max_table_nesting=0)
def provider_stats(rows: pa.Table) -> DltResource:
    """The counts, to be loaded.

    Args:
        rows: What the hosts have answered.
    """
    resource: DltResource = answers(rows)
    resource.apply_hints(**PROVIDER_STATS.hints, create_table_variant=True)
    return resource


@dlt.resource(name=RESOURCE)
def answers(rows: pa.Table) -> Iterator[DataItemWithMeta]:
    """The counts as one table of Arrow.

    Args:
        rows: What the hosts have answered.

    Yields:
        Them.
    """
    yield dlt.mark.with_table_name(rows, PROVIDER_STATS.name)


def _understood(body: bytes) -> Mapping[date, Mapping[str, int]]:
    """The counts of each day.

    Raises:
        ValueError: It is no statistics.
    """
    days = msgspec.json.decode(body, type=_Answer).stats
    return {_day(day.time): dict(_counts(day)) for day in days}


def _counts(day: _Day) -> Iterator[tuple[str, int]]:
    for name in COUNTED:
        found: Any = getattr(day, name)
        if isinstance(found, _Failed):
            yield name, found.temporary.total + found.permanent.total
        elif found is not None:
            yield name, found.total


def _day(text: str) -> date:
    """The day of an RFC 2822 instant, like Sun, 01 Mar 2026 00:00:00 UTC."""
    return parsedate_to_datetime(text).date()


def _seconds(day: date) -> int:
    return (day - _EPOCH).days * 86_400
