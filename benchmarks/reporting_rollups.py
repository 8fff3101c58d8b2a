"""The rollups of conversation events: rebuilt whole, and after 300 new events.

    python -m benchmarks.reporting_rollups whole --events 1000000 10000000
    python -m benchmarks.reporting_rollups tick --events 1000000 10000000
    python -m benchmarks.reporting_rollups ranges --events 5000000

`whole`: `dbt run --full-refresh` of the rollups and all that they are made of, against
one statement by hand that asks the engine for each date; 20 accounts in 20 zones over a
year, the cells compared. `tick`: 250,000 events a day; 300 new ones, 3 % of them up to
40 days old, then every model of conversation events; with --check, the reconciliation
of the days that they touch as well. `ranges`: the table macros of the published file,
over the whole year; a fifth of the events are handoffs.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.dbt_runs import dbt, from_first_to_last
from tallybook.marts import marts_in
from tallybook.publish import publish

# ruff: noqa: S608 - what is put into SQL are this file's own numbers and names.

HERE = Path(__file__).parent
ZONES = [
    *("America/New_York", "America/Los_Angeles", "America/Santiago"),
    *("America/Sao_Paulo", "America/St_Johns", "Africa/Cairo", "Atlantic/Azores"),
    *("Europe/London", "Europe/Berlin", "Asia/Gaza", "Asia/Kolkata"),
    *("Asia/Kathmandu", "Asia/Shanghai", "Asia/Tokyo", "Australia/Lord_Howe"),
    *("Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham"),
    *("Pacific/Kiritimati", "UTC"),
]
BEGIN = "timestamptz '2025-01-01 00:00:00+00'"
EVENTS_A_DAY = 250_000
NEW, OLD, OLDEST_DAYS = 291, 9, 40
THREADS = 2
ROLLUPS = ["+fct_reporting_rollups"]
ALL = [*ROLLUPS, "+fct_handoff_conversations", "+fct_conversation_outcomes"]
MEASURES = (
    "count, value_count, business_hours_value_count,"
    " round(sum_value, 3), round(sum_value_business_hours, 3)"
)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["whole", "tick", "ranges"])
    parser.add_argument("--events", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", help="where the warehouses are made")
    parser.add_argument("--check", action="store_true", help="reconcile in each tick")
    options = parser.parse_args()
    selected = [*ALL, *(["+ops_reconciliation"] if options.check else [])]
    rows = [
        tick(events, options.repeat, options.folder, selected)
        if options.kind == "tick"
        else {"whole": whole, "ranges": ranges}[options.kind](
            events, options.repeat, options.folder
        )
        for events in options.events
    ]
    table = Table(title=f"Reporting rollups, {options.kind} (medians)")
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            *(f"{v:,.2f}" if isinstance(v, float) else v for v in row.values())
        )
    Console().print(table)


def whole(events: int, repeat: int, folder: str | None) -> dict[str, str | float]:
    """Rebuilds everything, both ways in turn; the cells must be the same."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        path = _warehouse(home, events, days=365)
        rollups, every, by_hand = [], [], []
        for _ in range(repeat):
            by_hand.append(_by_hand(path))
            rollups.append(_run(home, "--full-refresh", "--select", *ROLLUPS))
            every.append(_run(home, "--full-refresh", "--select", *ALL))
        _compare(path)
        cells = _one(path, "select count(*) from marts.fct_reporting_rollups")
    ours, theirs = statistics.median(rollups), statistics.median(by_hand)
    return {
        "events": f"{events:,}",
        "cells": f"{cells:,}",
        "rollups s": ours,
        "by hand s": theirs,
        "ratio": ours / theirs,
        "with handoffs and outcomes s": statistics.median(every),
        "peak MB": _peak(),
    }


def tick(
    events: int, repeat: int, folder: str | None, models: list[str]
) -> dict[str, str | float]:
    """Builds these models after 300 new events, as often as asked."""
    days = events / EVENTS_A_DAY
    with tempfile.TemporaryDirectory(dir=folder) as home:
        path = _warehouse(home, events, days)
        first = _run(home, "--select", *models)
        peak = _peak()
        taken, rebuilt = [], 0
        for number in range(repeat + 1):
            _arrive(path, events, days, number)
            taken.append(_run(home, "--select", *models))
            rebuilt = _one(
                path,
                "select count(*) from ledger.rebuilt_days where change_number ="
                " (select max(change_number) from ledger.rebuilt_days)",
            )
        size = path.stat().st_size / 1e9
    return {
        "events": f"{events:,}",
        "first build s": first,
        "peak MB": peak,
        "file GB": size,
        "tick s": statistics.median(taken[1:]),
        "of": " ".join(f"{one:.2f}" for one in taken),
        "account-days": str(rebuilt),
    }


def ranges(events: int, repeat: int, folder: str | None) -> dict[str, str | float]:
    """Asks the published file about its year, in a session of its own each time."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        _warehouse(home, events, days=365)
        _run(home, "--select", *ALL, "+dim_time_zone_days", "dim_reporting_metrics")
        marts = marts_in(Path(home) / "target" / "manifest.json")
        path = publish(Path(home), marts).path
        handoffs = _one(
            path,
            "select count(*) from marts.fct_reporting_events"
            " where name = 'conversation_bot_handoff'",
        )
        year = "'2025-01-01', '2025-12-31'"
        asked = {
            "handoffs_between s": f"handoffs_between({year})",
            "…_in s": f"handoffs_between_in({year}, 'Asia/Tokyo')",
            "bot_outcomes_between s": f"bot_outcomes_between({year})",
        }
        return {
            "events": f"{events:,}",
            "handoffs": f"{handoffs:,}",
            **{
                name: statistics.median(_asking(path, macro) for _ in range(repeat))
                for name, macro in asked.items()
            },
        }


def _asking(path: Path, macro: str) -> float:
    with duckdb.connect(path, read_only=True, config={"threads": THREADS}) as con:
        began = time.perf_counter()
        con.execute(f"from marts.{macro}").fetchall()
        return time.perf_counter() - began


def _warehouse(home: str, events: int, days: float) -> Path:
    """A warehouse with raw events and everything that dbt needs, not yet built."""
    from extract.time_zones import local_days  # noqa: PLC0415 - not timed

    os.environ["TALLYBOOK_HOME"] = home
    path = Path(home) / "warehouse.duckdb"
    dbt(home, "run-operation", "create_raw_tables_now")
    with duckdb.connect(path, config={"threads": THREADS}) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        con.execute(
            "insert into raw.app_accounts by name"
            " select 'account-' || (number - 1) as account_id,"
            " $zones[number] as reporting_timezone, 'first' as _dlt_load_id"
            " from range(1, len($zones) + 1) as numbers (number)",
            {"zones": ZONES},
        )
        for year in local_days([2024, 2025, 2026]):
            con.register("days", year)
            con.execute(
                "insert into raw.time_zone_days by name"
                " select *, 'first' as _dlt_load_id from days"
            )
        _insert(
            con,
            f"select number, {BEGIN} + to_microseconds(cast(number *"
            f" {days * 86_400e6 / events} as bigint)) as happened_at"
            f" from range({events}) as numbers (number)",
            "first",
        )
    dbt(home, "seed")
    return path


def _arrive(path: Path, events: int, days: float, number: int) -> None:
    """300 events, in the last minutes and here and there in the last days."""
    begin = events + 1_000 * number
    oldest = min(days, OLDEST_DAYS)
    with duckdb.connect(path) as con:
        con.execute("set TimeZone = 'UTC'")
        _insert(
            con,
            f"select {begin} + number as number, {BEGIN} + to_microseconds(cast("
            f"86400e6 * ({days} + {number} / 1440 - case when number < {OLD} then"
            f" {oldest} * (number + 1) / {OLD + 1} else number / 864000 end)"
            f" as bigint)) as happened_at"
            f" from range({NEW + OLD}) as numbers (number)",
            f"tick {number}",
        )


def _insert(con: duckdb.DuckDBPyConnection, numbers: str, load: str) -> None:
    con.execute(f"create or replace temp view numbers as {numbers}")
    con.execute((HERE / "reporting_rollups_raw.sql").read_text(), {"load": load})
    con.execute("insert into raw._dlt_loads values (?, 'app', 0, now(), 'x')", [load])


def _run(home: str, *arguments: str) -> float:
    return from_first_to_last(dbt(home, "run", *arguments))


def _by_hand(path: Path) -> float:
    with duckdb.connect(path, config={"threads": THREADS}) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        con.execute("drop schema if exists byhand cascade")
        con.execute("create schema byhand")
        con.execute("checkpoint")
        began = time.perf_counter()
        con.execute((HERE / "reporting_rollups_by_hand.sql").read_text())
        return time.perf_counter() - began


def _compare(path: Path) -> None:
    """Refuses figures for two programs that don't do the same."""
    columns = (
        "account_id, date, dimension_type, dimension_id, metric, reporting_timezone, "
        + MEASURES
    )
    ours = f"select {columns} from marts.fct_reporting_rollups"
    theirs = f"select {columns} from byhand.fct_reporting_rollups"
    differing = _one(
        path,
        f"select count(*) from (({ours} except all {theirs})"
        f" union all ({theirs} except all {ours}))",
    )
    if differing:
        raise SystemExit(f"{differing} cells differ")


def _one(path: Path, sql: str) -> int:
    with duckdb.connect(path, read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        found = con.execute(sql).fetchone()
    return int(found[0]) if found else 0


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
