"""How long the models take, beside one hand-written DuckDB script.

    python -m benchmarks.recipient_status --events 1000000

Both fill the same five tables from the same raw ones, two events a recipient; the
rows are compared. `models` is what `dbt run --full-refresh` spends in the models that
write tables, with contracts and the ledger; `run` lasts from the beginning of its
first model to the end of its last, with all views and dbt's own work between models.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import duckdb
from dbt.artifacts.schemas.results import BaseResult as RunResult
from rich.console import Console
from rich.table import Table

from benchmarks.dbt_runs import dbt, from_first_to_last

# ruff: noqa: S608 - the names in SQL are this file's own.

TABLES = (
    "fct_message_events",
    "fct_unmatched_events",
    "fct_recipient_status",
    "fct_email_performance",
    "fct_delivery_daily",
)
SELECTED = [f"+{table}" for table in TABLES]
RECIPIENTS_PER_EMAIL = 1000
THREADS = 2


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[50_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [measure(events, options.repeat) for events in options.events]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    table = Table(title="Recipient status: the models and a script by hand (medians)")
    for column in ("events", "models s", "by hand s", "ratio", "run s", "run ratio"):
        table.add_column(column, justify="right")
    for one in results:
        table.add_row(
            f"{one['events']:,}",
            f"{one['models']:.2f}",
            f"{one['by_hand']:.2f}",
            f"{one['models'] / one['by_hand']:.2f}",
            f"{one['run']:.2f}",
            f"{one['run'] / one['by_hand']:.2f}",
        )
    Console().print(table)


def measure(events: int, repeat: int) -> dict[str, float]:
    """Times both, in turn, on one warehouse.

    Args:
        events: How many raw events, two a recipient.
        repeat: How often each is timed.

    Returns:
        Medians in seconds: `models`, `by_hand` and `run`.

    Raises:
        SystemExit: The two don't agree, or dbt failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TALLYBOOK_HOME"] = folder
        path = Path(folder) / "warehouse.duckdb"
        dbt(folder, "run-operation", "create_raw_tables_now")
        sizes = {
            "first": 0,
            "recipients": events // 2,
            "each": RECIPIENTS_PER_EMAIL,
            "of_each": 2,
        }
        with duckdb.connect(path, config={"threads": THREADS}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            raw = Path(__file__).with_name("recipient_status_raw.sql").read_text()
            for statement in raw.strip().removesuffix(";").split(";\n"):
                used = {k: v for k, v in sizes.items() if f"${k}" in statement}
                connection.execute(statement, used)
        dbt(folder, "seed")
        models, runs, by_hand = [], [], []
        for _ in range(repeat):
            result = dbt(folder, "run", "--full-refresh", "--select", *SELECTED)
            models.append(sum(map(_seconds_of_writing, result)))
            runs.append(from_first_to_last(result))
            by_hand.append(_by_hand(path))
        _compare(path)
    return {
        "events": events,
        "models": statistics.median(models),
        "by_hand": statistics.median(by_hand),
        "run": statistics.median(runs),
    }


def _seconds_of_writing(result: RunResult) -> float:
    """What a model took, compiling and running; nothing of a view."""
    writes = result.node.config.materialized != "view"
    return result.execution_time if writes else 0.0


def _by_hand(path: Path) -> float:
    script = (Path(__file__).parent / "by_hand.sql").read_text()
    with duckdb.connect(path, config={"threads": THREADS}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("drop schema if exists byhand cascade")
        connection.execute("checkpoint")
        began = time.perf_counter()
        connection.execute(script)
        return time.perf_counter() - began


def _compare(path: Path) -> None:
    """Refuses figures for two programs that don't do the same."""
    with duckdb.connect(path) as connection:
        for table in TABLES:
            # dbt numbers loads by the clock of the build, the script by dlt's.
            columns = "columns(c -> c <> 'loaded_at')"
            ours = f"select {columns} from marts.{table}"
            theirs = f"select {columns} from byhand.{table}"
            differing = connection.execute(
                f"select count(*) from (({ours} except all {theirs})"
                f" union all ({theirs} except all {ours}))"
            ).fetchone()
            rows = connection.execute(f"select count(*) from marts.{table}").fetchone()
            if differing != (0,):
                raise SystemExit(f"{table}: {differing} rows differ of {rows}")


if __name__ == "__main__":
    main()
