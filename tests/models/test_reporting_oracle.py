"""The oracle itself, on a few events whose figures are worked out by hand."""

from datetime import date, datetime
from typing import Any

import pytest
from oracle import Row, seed
from reporting_oracle import METRICS, Metric, reporting_marts
from worlds import at

ACCOUNTS = [
    {"account_id": "acme", "reporting_timezone": "America/New_York"},
    {"account_id": "typo", "reporting_timezone": "america/new_york"},
]
FIRST = date(2025, 11, 1)
SECOND = date(2025, 11, 2)
MIDNIGHT = at("2025-11-02T04:00:00")
"""Where the second day begins in New York."""


def event(name: str, created_at: datetime = MIDNIGHT, **columns: Any) -> Row:
    return {
        "event_id": f"{name}/{created_at}/{sorted(columns.items())}",
        "account_id": "acme",
        "name": name,
        "value": None,
        "value_in_business_hours": None,
        "user_id": None,
        "inbox_id": None,
        "conversation_id": None,
        "created_at": created_at,
        **columns,
    }


def marts(*events: Row) -> dict[str, Any]:
    return reporting_marts(ACCOUNTS, events, {2025})


def figures(*events: Row) -> dict[tuple[Any, ...], tuple[float, ...]]:
    """By (date, dimension, id, metric): count and sum, then the same of hours."""
    return {
        grain[1:]: (
            row["count"],
            row["value_count"],
            row["sum_value"],
            row["business_hours_value_count"],
            row["sum_value_business_hours"],
        )
        for grain, row in marts(*events)["fct_reporting_rollups"].items()
    }


def test_a_null_value_counts_and_adds_nothing() -> None:
    found = figures(
        event("reply_time", value=60.5, value_in_business_hours=10.0),
        event("reply_time", value=30.0),
        event("reply_time"),
    )
    assert found == {
        (SECOND, "account", "acme", "reply_time"): (3, 2, 90.5, 1, 10.0),
    }


def test_one_resolution_is_counted_by_two_metrics_and_summed_by_one() -> None:
    assert figures(event("conversation_resolved", value=5.0)) == {
        (SECOND, "account", "acme", "resolutions_count"): (1, 0, 0, 0, 0),
        (SECOND, "account", "acme", "resolution_time"): (1, 1, 5.0, 0, 0),
    }


def test_a_null_id_leaves_an_event_out_of_that_dimension_only() -> None:
    found = figures(event("first_response", user_id="ann"))
    assert [grain[1:3] for grain in found] == [("account", "acme"), ("agent", "ann")]


def test_handoffs_are_distinct_conversations_and_one_without_adds_nothing() -> None:
    handoff = "conversation_bot_handoff"
    found = figures(
        event(handoff, conversation_id="c1", inbox_id="i1"),
        event(handoff, conversation_id="c1", inbox_id="i2"),
        event(handoff, conversation_id="c2"),
        event(handoff, inbox_id="i3"),
    )
    assert {grain[1:3]: row[0] for grain, row in found.items()} == {
        ("account", "acme"): 2,
        ("inbox", "i1"): 1,
        ("inbox", "i2"): 1,
    }


def test_the_day_begins_at_local_midnight_to_the_microsecond() -> None:
    before = at("2025-11-02T03:59:59.999999")
    rows = marts(event("reply_time", before), event("reply_time"))
    days = {
        row["created_at"]: row["date"] for row in rows["fct_reporting_events"].values()
    }
    assert days == {before: FIRST, MIDNIGHT: SECOND}


@pytest.mark.parametrize(
    "columns",
    [
        {"account_id": "typo"},
        {"account_id": "unknown"},
        {"account_id": None},
        {"deleted_at": MIDNIGHT},
        {"created_at": at("2026-06-01T00:00:00")},
    ],
    ids=["no such zone", "unknown account", "no account", "deleted", "no local day"],
)
def test_an_event_that_has_no_day_is_nowhere(columns: Row) -> None:
    found = marts({**event("conversation_bot_handoff", conversation_id="c"), **columns})
    assert not any(found.values())


def test_a_name_that_no_metric_knows_is_an_event_and_makes_no_cell() -> None:
    rows = marts(event("agent_away", user_id="ann", conversation_id="c1"))
    assert [len(found) for found in rows.values()] == [1, 0, 0, 0]


def test_a_handoff_of_the_same_day_outweighs_a_resolution() -> None:
    resolved, handed_off = "conversation_bot_resolved", "conversation_bot_handoff"
    later = at("2025-11-02T20:00:00")
    rows = marts(
        event(resolved, conversation_id="c1"),
        event(handed_off, conversation_id="c1"),
        event(handed_off, later, conversation_id="c1"),
        event(resolved, conversation_id="c2"),
        event(resolved),
    )
    assert {
        grain[1]: (row["outcome"], row["bot_resolutions"], row["bot_handoffs"])
        for grain, row in rows["fct_conversation_outcomes"].items()
    } == {"c1": ("handed_off", 1, 2), "c2": ("bot_resolved", 1, 0)}
    ((_, row),) = rows["fct_handoff_conversations"].items()
    assert (row["handoffs"], row["first_handoff_at"]) == (2, MIDNIGHT)


def test_the_seed_is_the_table_of_the_semantics() -> None:
    held = {
        Metric(
            str(row["event_name"]),
            str(row["metric"]),
            str(row["counted"]),
            row["sums_values"] == "true",
        )
        for row in seed("reporting_metrics")
    }
    assert held == set(METRICS)
