"""Simulated conversations: what days can't be added up to, and what they can."""

from collections import defaultdict
from typing import Any

import pytest
from proof import PROOF, REPORTING, build
from reporting_oracle import DIMENSIONS
from reporting_worlds import zone_days
from warehouse import Warehouse

from simulator.world import Spec, World

SPEC = Spec(seed=23, emails=1, conversations=3000 if PROOF else 400, days=21)
HANDOFF = "conversation_bot_handoff"


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """All conversation events of a simulated world."""
    return list(World(SPEC).app_tables()["reporting_events"].to_pylist())


@pytest.fixture(scope="module")
def talked(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The simulated conversations in a warehouse, built."""
    warehouse = Warehouse(tmp_path_factory.mktemp("talked"), like=built)
    tables = World(SPEC).app_tables()
    zones = tables["accounts"]["reporting_timezone"].to_pylist()
    warehouse.load_zones(zone_days(zones, [SPEC.begin.year])[SPEC.begin.year])
    warehouse.load(
        accounts=tables["accounts"], reporting_events=tables["reporting_events"]
    )
    build(warehouse, *REPORTING)
    return warehouse


def by_id(rows: list[dict[str, Any]], ask: str) -> dict[tuple[str, ...], Any]:
    """Rows of one figure by account, dimension and its id."""
    return {
        (row["account_id"], row["dimension_type"], row["dimension_id"]): row[ask]
        for row in rows
    }


def handed_off(events: list[dict[str, Any]]) -> dict[tuple[str, ...], int]:
    """How many conversations were handed off, from the events themselves."""
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for event in events:
        if event["name"] == HANDOFF and event["conversation_id"]:
            for dimension, column in DIMENSIONS.items():
                if event[column]:
                    key = (event["account_id"], dimension, event[column])
                    found[key].add(event["conversation_id"])
    return {key: len(conversations) for key, conversations in found.items()}


def test_handoffs_of_three_weeks_are_counted_and_not_added_up(
    talked: Warehouse, events: list[dict[str, Any]]
) -> None:
    grain = "account_id, dimension_type, dimension_id"
    counted = talked.rows(
        f"select {grain}, count(distinct conversation_id) as handoffs,"  # noqa: S608
        " count(*) as days_of_conversations"
        " from marts.fct_handoff_conversations group by all"
    )
    added_up = talked.rows(
        f"select {grain}, sum(count) as handoffs from marts.fct_reporting_rollups"  # noqa: S608
        " where metric = 'bot_handoffs_count' group by all"
    )
    truth = handed_off(events)
    assert by_id(counted, "handoffs") == truth
    wrong = by_id(added_up, "handoffs")
    assert wrong == by_id(counted, "days_of_conversations")
    accounts = [key for key in truth if key[1] == "account"]
    assert all(wrong[key] > truth[key] for key in accounts)


def test_every_handoff_of_a_conversation_is_kept(
    talked: Warehouse, events: list[dict[str, Any]]
) -> None:
    kept = sum(
        row["handoffs"]
        for row in talked.mart("fct_handoff_conversations")
        if row["dimension_type"] == "account"
    )
    handoffs = [
        event["conversation_id"]
        for event in events
        if event["name"] == HANDOFF and event["conversation_id"]
    ]
    assert kept == len(handoffs) > len(set(handoffs))


def test_an_average_over_three_weeks_is_that_of_the_events(
    talked: Warehouse, events: list[dict[str, Any]]
) -> None:
    averages = talked.rows(
        "select account_id, dimension_type, dimension_id,"
        " sum(sum_value) / sum(value_count) as average"
        " from marts.fct_reporting_rollups"
        " where metric = 'reply_time' and dimension_type = 'account' group by all"
    )
    values: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for event in events:
        if event["name"] == "reply_time" and event["value"] is not None:
            key = (event["account_id"], "account", event["account_id"])
            values[key].append(event["value"])
    truth = {key: sum(found) / len(found) for key, found in values.items()}
    assert by_id(averages, "average") == pytest.approx(truth, rel=1e-9)
