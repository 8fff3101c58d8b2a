"""Events of apps and browsers once more, on the days of their accounts.

raw.client_events ──▶ account, local date ──▶ counted ──▶ fct_client_events_daily
"""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from quality.recount.application import Accounts, has_application, settings
from quality.recount.raw_rows import of_client_events
from quality.recount.zones import SECOND, bounds, local_date
from quality.results import Key, Result, differences, keyed
from quality.warehouse import Warehouse

_GRAIN = ("account_key", "date", "event_name")
_EVENTS = """
select event_name, payload, epoch_us(occurred_at) as occurred_at
from warehouse.raw.client_events
where _dlt_load_id in (select load_id from warehouse.ledger.loads)
"""
_MART = """
select * replace (cast(date as varchar) as date)
from warehouse.marts.fct_client_events_daily
"""


def recount(warehouse: Warehouse, who: Accounts, result: Result) -> None:
    """Compares fct_client_events_daily, whole.

    Args:
        warehouse: The warehouse.
        who: The accounts.
        result: Takes what differs.
    """
    name = settings(warehouse, "inbox").get("account_property") or "account_id"
    events: Counter[Key] = Counter()
    dropped: Counter[Key] = Counter()
    for event in warehouse.rows(_EVENTS):
        said = json.loads(event["payload"])
        account = _account(said.get("properties"), name)
        key = _day(account, event["occurred_at"], who)
        if key is not None:
            cell = (*key, event["event_name"])
            events[cell] += 1
            dropped[cell] += said.get("dropped") or 0
    expected: dict[Key, dict[str, Any]] = {
        cell: {
            "account_id": cell[0] or None,
            "events": count,
            "properties_dropped": dropped[cell],
            "reporting_timezone": who.zone_names[str(cell[0])] if cell[0] else "UTC",
        }
        for cell, count in events.items()
    }
    actual = keyed(warehouse.rows(_MART), _GRAIN, result)
    result.compared += sum(map(len, expected.values()))
    result.compared += len(actual.keys() - expected.keys())
    for found in differences(expected, actual, _GRAIN):
        result.add(replace(found, rows=_rows(warehouse, found.where, name, who)))


def _account(properties: object, name: str) -> str | None:
    """Whom a property names, as JSON writes what is no text."""
    value = properties.get(name) if isinstance(properties, dict) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _day(account: str | None, at: int, who: Accounts) -> tuple[str, str] | None:
    """The account and day that an event counts on; none where no day can be drawn."""
    if account is None or account not in who.zone_names:
        return "", str(datetime.fromtimestamp(at // SECOND, UTC).date())
    zone = who.zones.get(account)
    return None if zone is None else (account, str(local_date(at, zone)))


def _rows(warehouse: Warehouse, where: dict[str, str], name: str, who: Accounts) -> str:
    """The raw events behind a cell."""
    account, day = where["account_key"], date.fromisoformat(where["date"])
    if account and account not in who.zones:
        return ""
    if account:
        span = bounds(day, who.zones[account])
    else:
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        after = midnight + int(timedelta(days=1).total_seconds())
        span = midnight * SECOND, after * SECOND
    known = None if has_application(warehouse) else sorted(who.zone_names)
    return of_client_events(span, where["event_name"], (name, account), known)
