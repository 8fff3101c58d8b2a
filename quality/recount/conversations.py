"""Conversation events once more: dated by `zoneinfo`, counted in dictionaries.

raw.app_reporting_events, some local days at a time ──▶ dated ──▶ counted
    ╰──▶ compared with fct_reporting_events, fct_reporting_rollups,
         fct_handoff_conversations, fct_conversation_outcomes
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from math import fsum
from typing import Any
from zoneinfo import ZoneInfo

from quality.recount.events import CHUNK, packed
from quality.recount.raw_rows import of_conversations, text
from quality.recount.zones import SECOND, bounds, local_date, zone
from quality.results import Key, Result, differences, keyed
from quality.warehouse import Warehouse

DIMENSIONS = {"account": "account_id", "agent": "user_id", "inbox": "inbox_id"}
HANDOFFS, RESOLUTIONS = "bot_handoffs_count", "bot_resolutions_count"

_CELL = ("account_id", "date", "dimension_type", "dimension_id")
_DAY = 86_400 * SECOND
_EPOCH_DAY = date(1970, 1, 1)
_FIRST_INSTANT = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * SECOND

_EVENTS = """
select
    event_id, account_id, name, epoch_us(created_at) as created_at, value,
    value_in_business_hours, user_id, inbox_id, conversation_id
from warehouse.raw.app_reporting_events
where deleted_at is null
    and created_at >= make_timestamptz(?) and created_at < make_timestamptz(?)
"""
_MARTS = {
    "reporting_events": (
        "fct_reporting_events",
        ("event_id",),
        "event_id, account_id, name, epoch_us(created_at) as created_at, value,"
        " value_in_business_hours, user_id, inbox_id, conversation_id,"
        " reporting_timezone",
    ),
    "rollups": (
        "fct_reporting_rollups",
        (*_CELL, "metric"),
        "account_id, dimension_type, dimension_id, metric, count, value_count,"
        " sum_value, business_hours_value_count, sum_value_business_hours,"
        " reporting_timezone",
    ),
    "handoff_conversations": (
        "fct_handoff_conversations",
        (*_CELL, "conversation_id"),
        "account_id, dimension_type, dimension_id, conversation_id, handoffs,"
        " epoch_us(first_handoff_at) as first_handoff_at, reporting_timezone",
    ),
    "conversation_outcomes": (
        "fct_conversation_outcomes",
        ("account_id", "conversation_id", "date"),
        "account_id, conversation_id, outcome, bot_resolutions, bot_handoffs,"
        " reporting_timezone",
    ),
}
"""By check: the mart, its grain, and what is compared of it beside the date."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What an event is counted by: a row of the seed `reporting_metrics`."""

    name: str
    counts_conversations: bool
    sums_values: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account's days are drawn.

    Attributes:
        zone: Its zone.
        begin, end: What lies outside is a broken clock, in microseconds.
    """

    zone: ZoneInfo
    begin: int
    end: int


@dataclass
class _Cell:
    """A cell of the rollups while it is counted."""

    events: int = 0
    conversations: set[str] = field(default_factory=set)
    values: list[float] = field(default_factory=list)
    business_hours: list[float] = field(default_factory=list)
    timezone: str = ""


@dataclass
class _Days:
    """What some days must hold, by check and grain."""

    events: dict[Key, dict[str, Any]] = field(default_factory=dict)
    cells: dict[Key, _Cell] = field(default_factory=lambda: defaultdict(_Cell))
    handoffs: dict[Key, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[Key, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    timezones: dict[str, str] = field(default_factory=dict)


def recount(warehouse: Warehouse, results: dict[str, Result]) -> None:
    """Compares the four marts of conversations, whole.

    Args:
        warehouse: The warehouse.
        results: Take what differs; by the names of `_MARTS`.
    """
    places = _places(warehouse)
    metrics = _metrics(warehouse)
    for begin, end in packed(_days(warehouse), CHUNK, 1):
        days = _count(warehouse, begin, end, places, metrics)
        expected = _expected(days)
        for check, (mart, grain, columns) in _MARTS.items():
            result = results[check]
            found = keyed(_dated(warehouse, mart, columns, (begin, end)), grain, result)
            wanted = expected[check]
            result.compared += sum(map(len, wanted.values()))
            result.compared += len(found.keys() - wanted.keys())
            for cell in differences(wanted, found, grain):
                result.add(
                    replace(cell, rows=_rows(check, cell.where, places, metrics))
                )


def _places(warehouse: Warehouse) -> dict[str, Place]:
    """The accounts whose days can be drawn."""
    next_year = int(datetime.now(UTC).timestamp() + 365 * 86_400) * SECOND
    reach = {
        name: (begin, end)
        for name, begin, end in warehouse.con.execute(
            """
            select timezone, min(epoch_us(starts_at)), max(epoch_us(ends_at))
            from warehouse.raw.time_zone_days
            group by timezone
            """
        ).fetchall()
    }
    rows = warehouse.con.execute(
        "select account_id, reporting_timezone from warehouse.raw.app_accounts"
    ).fetchall()
    return {
        account_id: Place(
            found, min(reach[name][0], _FIRST_INSTANT), max(reach[name][1], next_year)
        )
        for account_id, name in rows
        if (found := zone(name)) is not None and name in reach
    }


def _metrics(warehouse: Warehouse) -> dict[str, list[Metric]]:
    found: dict[str, list[Metric]] = defaultdict(list)
    for row in warehouse.rows("select * from warehouse.seeds.reporting_metrics"):
        found[row["event_name"]].append(
            Metric(row["metric"], row["counted"] == "conversations", row["sums_values"])
        )
    return found


def _days(warehouse: Warehouse) -> list[tuple[int, int]]:
    """Days since 1970 that have events or rows, and how many."""
    rows = " union all ".join(
        f"select date from warehouse.marts.{mart}" for mart, *_ in _MARTS.values()
    )
    return warehouse.con.execute(
        f"""
        select day, count(*)
        from (
            select epoch_us(created_at) // {_DAY} + shift as day
            from warehouse.raw.app_reporting_events
            cross join (values (-1), (0), (1)) as shifts (shift)
            where deleted_at is null and created_at is not null
            union all
            select date - date '1970-01-01' from ({rows})
        )
        where day is not null
        group by day
        order by day
        """
    ).fetchall()


def _count(
    warehouse: Warehouse,
    begin: int,
    end: int,
    places: dict[str, Place],
    metrics: dict[str, list[Metric]],
) -> _Days:
    """Counts the local days [begin, end) of all accounts."""
    days = _Days()
    first, after = _date(begin), _date(end)
    # A local day begins at most 15 hours before or after the same day of UTC.
    reach = [(begin - 1) * _DAY, (end + 1) * _DAY]
    for event in warehouse.rows(_EVENTS, reach):
        place = places.get(event["account_id"])
        at = event["created_at"]
        if place is None or not place.begin <= at < place.end:
            continue
        day = local_date(at, place.zone)
        if first <= day < after:
            _count_one(days, event, str(day), place.zone.key, metrics)
    return days


def _count_one(
    days: _Days,
    event: dict[str, Any],
    day: str,
    timezone: str,
    metrics: dict[str, list[Metric]],
) -> None:
    account, conversation = event["account_id"], event["conversation_id"]
    days.timezones[account] = timezone
    row = {**event, "date": day, "reporting_timezone": timezone}
    days.events[row.pop("event_id"),] = row
    for metric in metrics.get(event["name"], ()):
        for dimension, column in DIMENSIONS.items():
            if (of := event[column]) is None:
                continue
            cell = days.cells[account, day, dimension, of, metric.name]
            cell.timezone = timezone
            if not metric.counts_conversations:
                cell.events += 1
            elif conversation is not None:
                cell.conversations.add(conversation)
            if metric.sums_values:
                _add(cell.values, event["value"])
                _add(cell.business_hours, event["value_in_business_hours"])
            if metric.name == HANDOFFS and conversation is not None:
                key = account, day, dimension, of, conversation
                held = days.handoffs.setdefault(
                    key, {"handoffs": 0, "first_handoff_at": event["created_at"]}
                )
                held["handoffs"] += 1
                held["first_handoff_at"] = min(
                    held["first_handoff_at"], event["created_at"]
                )
                held["reporting_timezone"] = timezone
        if metric.name in (HANDOFFS, RESOLUTIONS) and conversation is not None:
            days.outcomes[account, conversation, day][metric.name] += 1


def _add(values: list[float], value: float | None) -> None:
    if value is not None:
        values.append(value)


def _expected(days: _Days) -> dict[str, dict[Key, dict[str, Any]]]:
    return {
        "reporting_events": days.events,
        "rollups": {
            key: {
                "count": count,
                "value_count": len(cell.values),
                "sum_value": fsum(cell.values),
                "business_hours_value_count": len(cell.business_hours),
                "sum_value_business_hours": fsum(cell.business_hours),
                "reporting_timezone": cell.timezone,
            }
            for key, cell in days.cells.items()
            if (count := cell.events + len(cell.conversations))
        },
        "handoff_conversations": days.handoffs,
        "conversation_outcomes": {
            key: {
                "outcome": "handed_off" if counts[HANDOFFS] else "bot_resolved",
                "bot_resolutions": counts[RESOLUTIONS],
                "bot_handoffs": counts[HANDOFFS],
                "reporting_timezone": days.timezones[str(key[0])],
            }
            for key, counts in days.outcomes.items()
        },
    }


def _dated(
    warehouse: Warehouse, mart: str, columns: str, days: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """A mart's rows of some days."""
    yield from warehouse.rows(
        f"select cast(date as varchar) as date, {columns}"
        f" from warehouse.marts.{mart} where date >= ? and date < ?",
        [_date(days[0]), _date(days[1])],
    )


def _rows(
    check: str,
    where: dict[str, str],
    places: dict[str, Place],
    metrics: dict[str, list[Metric]],
) -> str:
    """The raw events behind a cell."""
    if check == "reporting_events":
        event_id = text(where["event_id"])
        return f"select * from raw.app_reporting_events where event_id = {event_id}"
    place = places.get(where["account_id"])
    if place is None:
        return ""
    begin, end = bounds(date.fromisoformat(where["date"]), place.zone)
    wanted = {where["metric"]} if "metric" in where else {HANDOFFS, RESOLUTIONS}
    names = [
        name for name, of in metrics.items() if wanted & {metric.name for metric in of}
    ]
    values: dict[str, str | None] = {"account_id": where["account_id"]}
    if "dimension_type" in where:
        values[DIMENSIONS[where["dimension_type"]]] = where["dimension_id"]
    values["conversation_id"] = where.get("conversation_id")
    return of_conversations(begin, end, values, names)


def _date(day: int) -> date:
    return _EPOCH_DAY + timedelta(days=day)
