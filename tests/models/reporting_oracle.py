"""What the reporting marts must hold, in plain Python from SEMANTICS.md section 5.

    accounts ──▶ zones ─┐
    events ─────────────┴▶ dated ──▶ cells: account, day, dimension ──▶ metrics
                             └─────▶ days of conversations

Nothing here looks at the SQL, at `raw.time_zone_days` or at the machine's own zones.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import fsum
from typing import Any, NamedTuple

from oracle import Row, Rows, zone

DIMENSIONS = {"account": "account_id", "agent": "user_id", "inbox": "inbox_id"}
"""The dimensions, and the column whose null leaves an event out of each."""

EVENT_COLUMNS = (
    "event_id",
    "account_id",
    "name",
    "created_at",
    "value",
    "value_in_business_hours",
    "user_id",
    "inbox_id",
    "conversation_id",
)

Cell = tuple[str, date, str, str]
"""account_id, date, dimension_type, dimension_id."""


class Metric(NamedTuple):
    """A row of the table in SEMANTICS.md."""

    event_name: str
    metric: str
    counted: str
    sums_values: bool


METRICS = (
    Metric("conversation_resolved", "resolutions_count", "events", False),
    Metric("conversation_resolved", "resolution_time", "events", True),
    Metric("first_response", "first_response", "events", True),
    Metric("reply_time", "reply_time", "events", True),
    Metric("conversation_bot_resolved", "bot_resolutions_count", "events", False),
    Metric("conversation_bot_handoff", "bot_handoffs_count", "conversations", False),
)
"""The table itself, so that the seed is compared with it and not with itself."""


def reporting_marts(
    accounts: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    years: set[int],
    metrics: Sequence[Metric] = METRICS,
) -> dict[str, Rows]:
    """What each reporting mart must hold.

    Args:
        accounts: The newest row of each.
        events: The newest row of each, deleted ones too.
        years: UTC years whose events have local days.
        metrics: What is counted.

    Returns:
        By mart: its rows by grain, without when they were written.
    """
    zones = {row["account_id"]: row["reporting_timezone"] for row in accounts}
    dated = [
        dated
        for event in events
        if event["created_at"].year in years
        and (dated := _dated(event, zones.get(event["account_id"]))) is not None
    ]
    handoffs = _named(dated, metrics, "bot_handoffs_count")
    resolutions = _named(dated, metrics, "bot_resolutions_count")
    return {
        "fct_reporting_events": {(row["event_id"],): row for row in dated},
        "fct_reporting_rollups": _rollups(dated, metrics),
        "fct_handoff_conversations": _handoff_conversations(handoffs),
        "fct_conversation_outcomes": _outcomes(resolutions, handoffs),
    }


def _dated(event: Mapping[str, Any], timezone: str | None) -> Row | None:
    """An event on its local day; None if it is deleted or its account has no zone."""
    local = zone(timezone or "")
    if local is None or event.get("deleted_at") is not None:
        return None
    return {
        **{column: event.get(column) for column in EVENT_COLUMNS},
        "date": event["created_at"].astimezone(local).date(),
        "reporting_timezone": timezone,
    }


def _named(dated: Iterable[Row], metrics: Sequence[Metric], metric: str) -> list[Row]:
    """The events that a metric counts."""
    names = {row.event_name for row in metrics if row.metric == metric}
    return [event for event in dated if event["name"] in names]


def _cells(dated: Iterable[Row]) -> dict[Cell, list[Row]]:
    """The events of each account, day and dimension; a null id is in none."""
    cells: dict[Cell, list[Row]] = defaultdict(list)
    for event in dated:
        for dimension, column in DIMENSIONS.items():
            if event[column] is not None:
                cell = (event["account_id"], event["date"], dimension, event[column])
                cells[cell].append(event)
    return cells


def _rollups(dated: Sequence[Row], metrics: Sequence[Metric]) -> Rows:
    rows: Rows = {}
    for metric in {row.metric: row for row in metrics}.values():
        for cell, events in _cells(_named(dated, metrics, metric.metric)).items():
            figures = _figures(events, metric)
            if figures["count"]:
                rows[*cell, metric.metric] = {
                    **_keys(cell, events),
                    "metric": metric.metric,
                    **figures,
                }
    return rows


def _figures(events: Sequence[Row], metric: Metric) -> Row:
    """The counts and sums of a cell; a null value counts and adds nothing."""
    conversations = {event["conversation_id"] for event in events} - {None}
    is_distinct = metric.counted == "conversations"
    figures: Row = {"count": len(conversations) if is_distinct else len(events)}
    for column, count, total in (
        ("value", "value_count", "sum_value"),
        (
            "value_in_business_hours",
            "business_hours_value_count",
            "sum_value_business_hours",
        ),
    ):
        values = [event[column] for event in events if event[column] is not None]
        figures[count] = len(values) if metric.sums_values else 0
        figures[total] = fsum(values) if metric.sums_values else 0
    return figures


def _handoff_conversations(handoffs: Iterable[Row]) -> Rows:
    rows: Rows = {}
    with_one = [event for event in handoffs if event["conversation_id"] is not None]
    for cell, events in _cells(with_one).items():
        for conversation in {event["conversation_id"] for event in events}:
            own = [
                event for event in events if event["conversation_id"] == conversation
            ]
            rows[*cell, conversation] = {
                **_keys(cell, own),
                "conversation_id": conversation,
                "handoffs": len(own),
                "first_handoff_at": min(event["created_at"] for event in own),
            }
    return rows


def _outcomes(resolutions: Iterable[Row], handoffs: Iterable[Row]) -> Rows:
    rows: Rows = {}
    for column, events in (
        ("bot_resolutions", resolutions),
        ("bot_handoffs", handoffs),
    ):
        for event in events:
            if event["conversation_id"] is not None:
                key = ("account_id", "conversation_id", "date")
                row = rows.setdefault(
                    tuple(event[part] for part in key),
                    {
                        **{part: event[part] for part in key},
                        "bot_resolutions": 0,
                        "bot_handoffs": 0,
                        "reporting_timezone": event["reporting_timezone"],
                    },
                )
                row[column] += 1
    for row in rows.values():
        row["outcome"] = "handed_off" if row["bot_handoffs"] else "bot_resolved"
    return rows


def _keys(cell: Cell, events: Sequence[Row]) -> Row:
    names = ("account_id", "date", "dimension_type", "dimension_id")
    return {
        **dict(zip(names, cell, strict=True)),
        "reporting_timezone": events[0]["reporting_timezone"],
    }
