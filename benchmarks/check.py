"""How long `tallybook check` takes, and how much memory.

    python -m benchmarks.check --events 1000000

Mail events of 1.1 KB, two a recipient, and a quarter as many conversation events, all
built by dbt first; then the checks run in a process of their own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.dbt_runs import dbt
from benchmarks.recipient_status import RECIPIENTS_PER_EMAIL, THREADS

CONVERSATIONS = """
insert into raw.app_reporting_events by name
select
    'event-' || n as event_id,
    'account' as account_id,
    [
        'first_response', 'reply_time', 'conversation_resolved',
        'conversation_bot_resolved', 'conversation_bot_handoff'
    ][cast(1 + hash(n, 1) % 5 as bigint)] as name,
    hash(n, 2) % 1000000 / 100.0 as value,
    hash(n, 3) % 100000 / 100.0 as value_in_business_hours,
    'agent-' || hash(n, 4) % 20 as user_id,
    'inbox-' || hash(n, 5) % 5 as inbox_id,
    'conversation-' || n // 4 as conversation_id,
    timestamptz '2026-03-01 00:00:00+00' + to_microseconds(n::bigint * 2469134)
        as created_at,
    created_at as updated_at,
    '1.5' as _dlt_load_id
from range($conversations) as t (n)
"""


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[50_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        print(json.dumps(check(options.of)))
        return
    results = [measure(events) for events in options.events]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    table = Table(title="tallybook check")
    for column in ("events", "recount s", "suites s", "all s", "CPU s", "MB", "cells"):
        table.add_column(column, justify="right")
    for one in results:
        table.add_row(
            f"{one['events']:,.0f}",
            f"{one['recount']:.1f}",
            f"{one['suites']:.1f}",
            f"{one['all']:.1f}",
            f"{one['cpu']:.1f}",
            f"{one['megabytes']:,.0f}",
            f"{one['cells']:,.0f}",
        )
    Console().print(table)


def measure(events: int) -> dict[str, float]:
    """Builds a warehouse of so many mail events, and times its check.

    Raises:
        SystemExit: dbt failed, or the check.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TALLYBOOK_HOME"] = folder
        path = Path(folder) / "warehouse.duckdb"
        dbt(folder, "run-operation", "create_raw_tables_now")
        sizes = {
            "first": 0,
            "recipients": events // 2,
            "of_each": 2,
            "each": RECIPIENTS_PER_EMAIL,
            "conversations": events // 4,
        }
        raw = Path(__file__).with_name("recipient_status_raw.sql").read_text()
        with duckdb.connect(path, config={"threads": THREADS}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for statement in (
                *raw.strip().removesuffix(";").split(";\n"),
                CONVERSATIONS,
            ):
                used = {k: v for k, v in sizes.items() if f"${k}" in statement}
                connection.execute(statement, used)
        dbt(folder, "seed")
        dbt(folder, "run")
        done = subprocess.run(  # noqa: S603 - this file
            [sys.executable, "-m", "benchmarks.check", "--of", path],
            stdout=subprocess.PIPE,
            check=True,
        )
        found: dict[str, float] = json.loads(done.stdout)
    return {"events": events, **found}


def check(path: Path) -> dict[str, float]:
    """Times a check in this process.

    Raises:
        SystemExit: A recount differs; such figures would be of nothing.
    """
    began = time.perf_counter()
    # Importing Great Expectations is part of it.
    from quality.check import check as check_all  # noqa: PLC0415

    checked = check_all(path, on_progress=lambda _: None)
    seconds = time.perf_counter() - began
    by_group: dict[str, float] = {}
    for result in checked.results:
        by_group[result.group] = by_group.get(result.group, 0.0) + result.seconds
        sys.stderr.write(f"{result.name} {result.seconds:.1f} s {result.status}\n")
        if result.group == "recount" and result.errors:
            raise SystemExit(f"{result.name}: {result.cells[0]}")
    return {
        "recount": by_group["recount"],
        "suites": by_group["edge"] + by_group["operations"],
        "all": seconds,
        "cpu": time.process_time(),
        "cells": checked.compared,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
