"""Daily delivery once more: events and distinct recipients of each local day.

scratch.matched, some days at a time ──▶ counted ──▶ compared with fct_delivery_daily
"""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from quality.recount.application import Accounts
from quality.recount.events import CHUNK, packed
from quality.recount.raw_rows import MOST, of_keys, text
from quality.recount.zones import bounds
from quality.results import Result, differences, instant, keyed
from quality.warehouse import Warehouse

_GRAIN = ("account_id", "date", "event_type")
_EPOCH_DAY = date(1970, 1, 1)

_EVENTS = """
select account_id, date - date '1970-01-01' as day, event_type, recipient_key
from scratch.matched
where counts and date >= ? and date < ?
"""
_MART = """
select
    account_id, cast(date as varchar) as date, event_type, events, recipients,
    reporting_timezone
from warehouse.marts.fct_delivery_daily
where date >= ? and date < ?
"""


def recount(warehouse: Warehouse, who: Accounts, result: Result) -> None:
    """Compares fct_delivery_daily, whole.

    Args:
        warehouse: Its events are matched.
        who: The accounts.
        result: Takes what differs.
    """
    days = warehouse.con.execute(
        """
        select date - date '1970-01-01' as day, count(*)
        from (
            select date from scratch.matched where counts and date is not null
            union all
            select date from warehouse.marts.fct_delivery_daily
        )
        where date is not null
        group by day
        order by day
        """
    ).fetchall()
    for begin, end in packed(days, 4 * CHUNK, 1):
        part = [_date(begin), _date(end)]
        events: Counter[tuple[str, int, str]] = Counter()
        people: dict[tuple[str, int, str], set[str]] = defaultdict(set)
        for batch in warehouse.columns(_EVENTS, part):
            for account, day, kind, recipient in zip(*batch.values(), strict=True):
                events[account, day, kind] += 1
                if recipient is not None:
                    people[account, day, kind].add(recipient)
        expected: dict[Any, dict[str, Any]] = {
            (account, str(_date(day)), kind): {
                "events": count,
                "recipients": len(people[account, day, kind]),
                "reporting_timezone": who.zones[account].key,
            }
            for (account, day, kind), count in events.items()
        }
        actual = keyed(warehouse.rows(_MART, part), _GRAIN, result)
        result.compared += 3 * len(expected) + len(actual.keys() - expected.keys())
        for cell in differences(expected, actual, _GRAIN):
            result.add(replace(cell, rows=_rows(warehouse, who, cell.where)))


def _rows(warehouse: Warehouse, who: Accounts, where: dict[str, str]) -> str:
    """The raw events of a cell; of many, all of its day and of its events' names."""
    zone = who.zones.get(where["account_id"])
    if zone is None:
        return ""
    found = warehouse.con.execute(
        "select provider, event_key, domain, event_name"
        " from scratch.heard join scratch.matched using (provider, event_key)"
        " where account_id = ? and date = ? and matched.event_type = ?"
        " and matched.counts order by all",
        list(where.values()),
    ).fetchall()
    provider = found[0][0] if found else "mailgun"
    mine = [row for row in found if row[0] == provider]
    if 0 < len(mine) <= MOST:
        return of_keys(provider, [key for _, key, *_ in mine])
    begin, end = bounds(date.fromisoformat(where["date"]), zone)
    conditions = [
        f"occurred_at >= timestamptz '{instant(begin)}'",
        f"occurred_at < timestamptz '{instant(end)}'",
    ]
    for at, column in ((3, "event_name"), (2, "domain")):
        if values := sorted({row[at] for row in mine if row[at]}):
            conditions.append(f"{column} in ({', '.join(map(text, values))})")
    return f"select * from raw.{provider}_events where " + " and ".join(conditions)


def _date(day: int) -> date:
    return _EPOCH_DAY + timedelta(days=day)
