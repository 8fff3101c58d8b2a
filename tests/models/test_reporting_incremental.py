"""Only the account-days that something touches are counted again, and rightly."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
import reporting_worlds
from proof import PROOF, REPORTING, assert_as_if_built_whole, build
from talk import (
    ACCOUNTS,
    ACME_DAYS,
    EVENTS,
    REPLY,
    RESOLUTION,
    RESPONSE,
    counts,
    handed_off,
    rebuilt,
    said,
)
from warehouse import Warehouse
from worlds import Row, at

NOW = datetime.now(UTC)
RECONCILIATION = (
    "--select",
    "int_reconciliation_days__touched",
    "ops_reconciliation",
)


@pytest.fixture(scope="session")
def talked_path(
    built: Path,
    zone_days: dict[int, pa.Table],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The file of a warehouse in which a few conversations were loaded and built."""
    made = Warehouse(tmp_path_factory.mktemp("talked"), like=built)
    for table in zone_days.values():
        made.load_zones(table)
    made.load(accounts=ACCOUNTS, reporting_events=EVENTS)
    build(made)
    build(made)  # the lists of touched groups say no longer that all is to be rebuilt
    return made.path


@pytest.fixture
def talked(talked_path: Path, tmp_path: Path) -> Warehouse:
    """A warehouse in which a few conversations were loaded and built."""
    return Warehouse(tmp_path / "home", like=talked_path)


def written(warehouse: Warehouse) -> dict[tuple[str, ...], datetime]:
    """When each row of the rollups was written."""
    return {
        (row["account_id"], str(row["date"]), row["dimension_id"], row["metric"]): row[
            "rebuilt_at"
        ]
        for row in warehouse.mart("fct_reporting_rollups")
    }


def unchanged(
    before: dict[tuple[str, ...], datetime], after: dict[tuple[str, ...], datetime]
) -> set[tuple[str, ...]]:
    """The accounts' days of which no row was written since."""
    days = {row[:2] for row in before.keys() | after.keys()}
    return days - {row[:2] for row, _ in before.items() ^ after.items()}


# What is counted again


def test_a_build_of_nothing_new_counts_nothing_again(talked: Warehouse) -> None:
    ask = "select count(*) as builds from ledger.builds"
    before, held = talked.rows(ask), talked.marts()
    build(talked)
    assert talked.rows(ask) == before
    assert talked.marts() == held


def test_a_late_event_reopens_its_one_day(talked: Warehouse) -> None:
    before = written(talked)
    late = said("late", "reply_time", "2011-12-30T04:59:59.999999", value=1.5)
    talked.load(reporting_events=[late])
    build(talked, *REPORTING)
    assert rebuilt(talked) == {("acme", "2011-12-29")}
    assert talked.work()["fct_reporting_events"] == (1, 0, 1)
    assert counts(talked, "acme")["2011-12-29", "reply_time"] == 1
    assert unchanged(before, written(talked)) == {row[:2] for row in before}
    assert_as_if_built_whole(talked, *REPORTING)


CHANGES: list[tuple[Row, set[tuple[str, str]]]] = [
    ({"value": 61.0}, {("acme", "2025-11-02")}),
    ({"user_id": "bo"}, {("acme", "2025-11-02")}),
    ({"name": "first_response"}, {("acme", "2025-11-02")}),
    (
        {"created_at": at("2025-11-06T12:00:00")},
        {("acme", "2025-11-02"), ("acme", "2025-11-06")},
    ),
    ({"account_id": "bolt"}, {("acme", "2025-11-06"), ("bolt", "2025-11-06")}),
    ({"account_id": "unknown"}, {("bolt", "2025-11-06")}),
    ({"account_id": "acme"}, {("acme", "2025-11-06")}),
    ({"deleted_at": NOW}, {("acme", "2025-11-06")}),
]
"""What becomes of an event, one after the other, and the days that it touches."""


def test_a_changed_event_reopens_where_it_was_and_where_it_is(
    talked: Warehouse,
) -> None:
    event = REPLY
    for changed, days in CHANGES:
        before = written(talked)
        event = {**event, **changed}
        talked.load(reporting_events=[event])
        build(talked, *REPORTING)
        after = written(talked)
        assert rebuilt(talked) == days, changed
        untouched = {row[:2] for row in before.keys() | after.keys()} - days
        assert unchanged(before, after) == untouched, changed
        assert after != before, changed
    assert_as_if_built_whole(talked, *REPORTING)


def test_of_a_reopened_day_only_the_cells_that_differ_are_written(
    talked: Warehouse,
) -> None:
    before = written(talked)
    talked.load(reporting_events=[{**REPLY, "value": 61.0}])
    build(talked, *REPORTING)
    assert {row for row, _ in before.items() ^ written(talked).items()} == {
        ("acme", "2025-11-02", "acme", "reply_time"),
        ("acme", "2025-11-02", "ann", "reply_time"),
    }


def test_a_repeated_event_writes_nothing(talked: Warehouse) -> None:
    held = talked.marts()
    talked.load(reporting_events=EVENTS)
    build(talked, *REPORTING)
    assert talked.marts() == held
    assert {rows for _, *rows in talked.work().values() for rows in rows} <= {0}


def test_a_deletion_that_empties_a_day_removes_it_and_an_undeletion_brings_it_back(
    talked: Warehouse,
) -> None:
    held = counts(talked, "acme")
    talked.load(reporting_events=[{**RESOLUTION, "deleted_at": NOW}])
    build(talked, *REPORTING)
    assert rebuilt(talked) == {("acme", "2025-11-04")}
    for rows in talked.marts().values():
        assert not [row for row in rows if str(row.get("date")) == "2025-11-04"]
    talked.load(reporting_events=[RESOLUTION])
    build(talked, *REPORTING)
    assert counts(talked, "acme") == held
    assert_as_if_built_whole(talked, *REPORTING)


def test_a_changed_zone_redraws_that_accounts_history_and_no_others(
    talked: Warehouse,
) -> None:
    before, bolt = written(talked), counts(talked, "bolt")
    talked.load(accounts=[{**ACCOUNTS[0], "reporting_timezone": "Pacific/Apia"}])
    build(talked, *REPORTING)
    tomorrow = {("acme", f"2025-11-0{day}") for day in (3, 4, 5)}
    assert rebuilt(talked) == ACME_DAYS | tomorrow
    assert talked.work()["fct_reporting_events"] == (7, 7, 7)
    assert {day for day, _ in counts(talked, "acme")} == {day for _, day in tomorrow}
    assert counts(talked, "bolt") == bolt
    assert unchanged(before, written(talked)) == {("bolt", "2025-11-02")}
    assert_as_if_built_whole(talked, *REPORTING)


def test_an_account_that_only_changed_its_name_is_not_redrawn(
    talked: Warehouse,
) -> None:
    ask = "select * from ledger.builds where model like 'fct_reporting%'"
    before, held = talked.rows(ask), talked.marts()
    talked.load(accounts=[{**ACCOUNTS[0], "name": "Acme Inc."}])
    build(talked, *REPORTING)
    assert talked.rows(ask) == before
    assert talked.marts() == held


def test_an_account_without_a_valid_zone_has_no_rows_until_it_has_one(
    talked: Warehouse,
) -> None:
    """Another account has the second of them as it is spelled."""
    acme, bolt = counts(talked, "acme"), counts(talked, "bolt")
    for wrong in ("PST", "asia/kathmandu", *(("utc", "", None) if PROOF else ())):
        talked.load(accounts=[{**ACCOUNTS[0], "reporting_timezone": wrong}])
        build(talked, *REPORTING)
        for name, rows in talked.marts().items():
            assert "acme" not in [row.get("account_id") for row in rows], (wrong, name)
        assert counts(talked, "bolt") == bolt
    talked.load(accounts=ACCOUNTS)
    build(talked, *REPORTING)
    assert counts(talked, "acme") == acme


def test_events_that_came_before_their_account_are_counted_once_it_is_there(
    talked: Warehouse,
) -> None:
    talked.load(
        reporting_events=[{**RESPONSE, "event_id": "early", "account_id": "cord"}]
    )
    build(talked, *REPORTING)
    assert counts(talked, "cord") == {}
    before = written(talked)
    cord: Row = {"account_id": "cord", "reporting_timezone": "America/Havana"}
    talked.load(accounts=[cord])
    build(talked, *REPORTING)
    assert counts(talked, "cord") == {("2025-11-02", "first_response"): 1}
    assert rebuilt(talked) == {("cord", "2025-11-02")}
    assert unchanged(before, written(talked)) == {row[:2] for row in before}


def utc_days() -> pa.Table:
    """Some of UTC's days."""
    days = [at(f"2025-11-0{day}T00:00:00") for day in range(1, 10)]
    return pa.table(
        {
            "timezone": ["UTC"] * (len(days) - 1),
            "local_date": pa.array([day.date() for day in days[:-1]]),
            "starts_at": days[:-1],
            "ends_at": days[1:],
        }
    )


def test_days_of_newer_zone_data_redraw_the_accounts_of_that_zone(
    talked: Warehouse,
) -> None:
    """As if Nepal's clocks had been found to show UTC."""
    response = said("edge", "first_response", "2025-11-02T18:30:00", "bolt")
    talked.load(reporting_events=[response])
    build(talked, *REPORTING)
    acme = counts(talked, "acme")
    assert counts(talked, "bolt")["2025-11-03", "first_response"] == 1
    with duckdb.connect(talked.path) as connection:
        connection.execute(
            "delete from raw.time_zone_days where timezone = 'Asia/Kathmandu'"
        )
    days = utc_days()
    names = pa.array(["Asia/Kathmandu"] * len(days))
    talked.load_zones(days.set_column(0, "timezone", names))
    build(talked, *REPORTING)
    assert counts(talked, "bolt") == {("2025-11-02", "first_response"): 2}
    assert counts(talked, "acme") == acme
    assert {account_id for account_id, _ in rebuilt(talked)} == {"bolt"}


def test_a_new_row_of_the_metrics_fills_in_its_history(talked: Warehouse) -> None:
    before = talked.mart("fct_reporting_rollups")
    with duckdb.connect(talked.path) as connection:
        connection.execute(
            "insert into seeds.reporting_metrics (event_name, metric, counted,"
            " sums_values, label)"
            " values ('agent_away', 'absences', 'events', true, 'Absences')"
        )
    build(talked, *REPORTING)
    rows = talked.mart("fct_reporting_rollups")
    assert [
        (row["account_id"], str(row["date"]), row["dimension_type"], row["count"])
        for row in rows
        if row["metric"] == "absences"
    ] == [("bolt", "2025-11-02", "account", 1), ("bolt", "2025-11-02", "agent", 1)]
    others = [row for row in rows if row["metric"] != "absences"]
    assert without_times(others) == without_times(before)
    assert_as_if_built_whole(talked, *REPORTING)


def without_times(rows: list[Row]) -> list[Row]:
    return [{**row, "rebuilt_at": None} for row in rows]


# Accounts that a build saw too early


def test_an_account_whose_load_was_interrupted_is_drawn_once_it_has_committed(
    talked: Warehouse,
) -> None:
    cord: list[Row] = [{"account_id": "cord", "reporting_timezone": "America/Havana"}]
    talked.load(reporting_events=[{**RESPONSE, "event_id": "1", "account_id": "cord"}])
    build(talked, *REPORTING)
    interrupted = talked.load(accounts=cord, committed=False)
    talked.load(reporting_events=[{**RESPONSE, "event_id": "2", "account_id": "cord"}])
    build(talked, *REPORTING)
    talked.commit(interrupted)
    build(talked, *REPORTING)
    assert counts(talked, "cord") == {("2025-11-02", "first_response"): 2}


def test_an_account_is_redrawn_though_one_of_its_events_was_drawn_anew_already(
    talked: Warehouse,
) -> None:
    """The events alone, built with an old list, are dated in the new zone."""
    talked.load(reporting_events=[{**REPLY, "event_id": "new"}])
    build(talked, *REPORTING)
    talked.load(accounts=[{**ACCOUNTS[0], "reporting_timezone": "Asia/Kathmandu"}])
    build(talked, "--select", "fct_reporting_events")
    build(talked, *REPORTING)
    assert_as_if_built_whole(talked, *REPORTING)


# Distinct conversations and averages


def distinct_handoffs(warehouse: Warehouse, account_id: str) -> int:
    """How many conversations of an account were handed off, over all days."""
    return len(
        {
            row["conversation_id"]
            for row in warehouse.mart("fct_handoff_conversations")
            if (row["account_id"], row["dimension_type"]) == (account_id, "account")
        }
    )


def summed_handoffs(warehouse: Warehouse, account_id: str) -> int:
    """The sum of the daily counts, which is no answer."""
    return sum(
        count
        for (_, metric), count in counts(warehouse, account_id).items()
        if metric == "bot_handoffs_count"
    )


def test_a_second_handoff_after_reopening_is_kept_and_its_conversation_counted_once(
    talked: Warehouse,
) -> None:
    assert summed_handoffs(talked, "acme") == 2
    assert distinct_handoffs(talked, "acme") == 1
    third = handed_off("third handoff", "2025-11-03T15:30:00", "c1")
    talked.load(reporting_events=[third])
    build(talked, *REPORTING)
    assert [
        (str(row["date"]), row["handoffs"], row["first_handoff_at"])
        for row in talked.mart("fct_handoff_conversations")
        if row["dimension_type"] == "inbox"
    ] == [
        ("2025-11-02", 1, at("2025-11-02T15:00:00")),
        ("2025-11-03", 2, at("2025-11-03T15:00:00")),
    ]
    assert summed_handoffs(talked, "acme") == 2
    assert distinct_handoffs(talked, "acme") == 1


def test_an_average_is_the_sum_of_sums_by_the_sum_of_counts(talked: Warehouse) -> None:
    talked.load(
        reporting_events=[said("next", "reply_time", "2025-11-03T12:00:00", value=10.0)]
    )
    build(talked, *REPORTING)
    (row,) = talked.rows(
        "select sum(sum_value) / sum(value_count) as without_nulls,"
        " sum(sum_value) / sum(count) as nulls_as_zero,"
        " avg(sum_value / value_count) as of_averages"
        " from marts.fct_reporting_rollups"
        " where account_id = 'acme' and dimension_type = 'account'"
        " and metric = 'reply_time'"
    )
    assert row["without_nulls"] == pytest.approx((60.0 + 300.5 + 10.0) / 3)
    assert row["nulls_as_zero"] == pytest.approx((60.0 + 300.5 + 10.0) / 4)
    assert row["of_averages"] != pytest.approx(row["without_nulls"])


# The tally by a second route


def failures(warehouse: Warehouse) -> dict[str, set[tuple[Any, ...]]]:
    """The cells that don't tally, by status."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for row in warehouse.rows("select * from marts.ops_reconciliation"):
        if row["status"] in ("differs", "missing", "extra"):
            cell = (row["account_id"], str(row["date"]), row["metric"], row["measure"])
            found.setdefault(row["status"], set()).add(cell)
    return found


@pytest.mark.parametrize(
    ("tampering", "status", "metric"),
    [
        (
            "update {} set count = count + 1 where metric = 'reply_time'",
            "differs",
            "reply_time",
        ),
        ("update {} set sum_value = sum_value * (1 + 1e-8)", "differs", "reply_time"),
        ("delete from {} where metric = 'first_response'", "missing", "first_response"),
        (
            "insert into {} select * replace ('made_up' as metric) from {}"
            " where metric = 'reply_time'",
            "extra",
            "made_up",
        ),
    ],
    ids=["a count", "a sum by 1e-8", "a missing cell", "an extra cell"],
)
def test_a_cell_that_does_not_tally_is_found(
    talked: Warehouse, tampering: str, status: str, metric: str
) -> None:
    assert failures(talked) == {}
    with duckdb.connect(talked.path) as connection:
        connection.execute(tampering.replace("{}", "marts.fct_reporting_rollups"))
    build(talked, "--full-refresh", *RECONCILIATION)
    assert metric in {cell[2] for cell in failures(talked)[status]}


def test_a_mart_that_overlooks_an_event_does_not_tally(talked: Warehouse) -> None:
    talked.load(
        reporting_events=[said("overlooked", "reply_time", "2025-11-05T12:00:00")]
    )
    build(talked, *RECONCILIATION)
    assert ("acme", "2025-11-05", "reply_time", "count") in failures(talked)["missing"]
    build(talked)
    assert failures(talked) == {}


def test_the_events_that_a_dimension_leaves_out_are_shown(talked: Warehouse) -> None:
    shown: Counter[tuple[str, str]] = Counter()
    for row in talked.rows(
        "select * from marts.ops_reconciliation where status = 'left_out'"
    ):
        shown[row["account_id"], row["dimension_type"]] += int(row["expected"])
    assert shown == {
        ("acme", "agent"): 4,
        ("acme", "inbox"): 3,
        ("bolt", "agent"): 1,
        ("bolt", "inbox"): 1,
    }


@pytest.mark.parametrize(
    "event",
    [
        said("of nobody", "reply_time", "2025-11-05T12:00:00", "nobody"),
        said("of no day", "reply_time", "1999-11-05T12:00:00"),
    ],
    ids=lambda event: event["event_id"],
)
def test_a_check_goes_with_the_event_that_it_was_about(
    talked: Warehouse, event: Row
) -> None:
    """The event had no row in any mart, so that none lists a change."""
    ask = "select * exclude checked_at from marts.ops_reconciliation order by all"
    held = talked.rows(ask)
    talked.load(reporting_events=[event])
    build(talked)
    assert talked.rows(ask) != held
    moved = {**event, "account_id": "acme", "created_at": at("2025-11-05T12:00:00")}
    talked.load(reporting_events=[moved])
    build(talked)
    talked.load(reporting_events=[{**moved, "deleted_at": NOW}])
    build(talked)
    assert talked.rows(ask) == held


@pytest.mark.parametrize(
    "instant",
    [at("1999-06-01T12:00:00"), NOW + timedelta(days=370)],
    ids=["old", "new"],
)
def test_an_event_of_a_broken_clock_tallies_if_its_day_is_loaded(
    talked: Warehouse, instant: datetime
) -> None:
    """As it is: years are loaded with one more at either side."""
    for days in reporting_worlds.zone_days(
        ["America/New_York"], [instant.year]
    ).values():
        talked.load_zones(days)
    talked.load(reporting_events=[said("broken clock", "reply_time", instant)])
    build(talked)
    assert failures(talked) == {}


def test_events_of_no_account_are_shown_once_each(talked: Warehouse) -> None:
    for event_id in ("one", "two"):
        event = said(event_id, "reply_time", "2025-11-05T12:00:00", None)
        talked.load(reporting_events=[event])
        build(talked)
    (row,) = talked.rows(
        "select * from marts.ops_reconciliation where status = 'without_zone'"
    )
    assert row["expected"] == 2
