"""What each stage costs on DuckDB and on Spark: the figures of docs/scaling.md.

    python -m benchmarks.two_engines --events 100000 1000000

Both build the same marts from the same raw rows, whole, on this machine: DuckDB with
two threads, Spark with two cores (or the cluster that TALLYBOOK_SPARK_MASTER names).
Seconds are those that dbt counts for a model; bytes are those of DuckDB's blocks that
hold a table, and of Spark's Parquet. Needs the extra [spark] and Java 17.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import duckdb
from dbt.artifacts.schemas.results import BaseResult
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from benchmarks.dbt_runs import dbt, from_first_to_last
from extract.lake import land

STAGES = (
    "int_email_recipients__derived",
    "int_local_days",
    "fct_message_events",
    "fct_recipient_status",
    "fct_delivery_daily",
    "fct_email_performance",
    "fct_email_outcomes",
    "fct_suppressions",
    "dim_members",
    "ops_reconciliation",
)
RECIPIENTS_PER_EMAIL = 1000
NO_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured = [measure(events) for events in options.events]
    if options.json:
        print(json.dumps(measured, indent=2))
        return
    for one in measured:
        title = f"{one['events']:,} events"
        table = Table(
            "stage", "DuckDB s", "DuckDB MB", "Spark s", "Spark MB", title=title
        )
        for stage in one["stages"]:
            table.add_row(stage["name"], *(f"{stage[of]:.2f}" for of in FIGURES))
        Console().print(table)
        Console().print(
            f"DuckDB's file: {one['duckdb_mb']:,.0f} MB, of which raw"
            f" {one['duckdb_raw_mb']:,.0f}; Spark shuffled {one['shuffled_mb']:,.0f} MB"
        )


FIGURES = ("duckdb", "duckdb_mb", "spark", "mb")
BLOCKS = """
    select count(distinct block) * 0.262144
    from (
        select unnest(additional_block_ids || [block_id]) as block
        from pragma_storage_info(?)
        where persistent
    )
"""


def measure(events: int) -> dict[str, object]:
    """Builds the same rows by both engines.

    Args:
        events: How many raw events, two a recipient.

    Returns:
        `events`, and `stages`: name, seconds and megabytes of each engine.
    """
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder, "lake")
        os.environ |= {
            "TALLYBOOK_HOME": folder,
            "TALLYBOOK_LAKE": lake.as_uri(),
        }
        path = Path(folder, "warehouse.duckdb")
        dbt(folder, "run-operation", "create_raw_tables_now")
        _fill(path, events)
        began = time.perf_counter()
        with duckdb.connect(path) as connection:
            land(connection, lake.as_uri())
        exported = time.perf_counter() - began
        raw = path.stat().st_size
        ours = dbt(folder, "build", *NO_TESTS)
        theirs = dbt(folder, "build", "--target", "spark", *NO_TESTS)
        stages = [
            {
                "name": "raw, landed as Parquet",
                "duckdb": 0.0,
                "spark": exported,
                "mb": 0.0,
            },
            *({"name": stage, **_both(ours, theirs, stage)} for stage in STAGES),
            {
                "name": "a whole build",
                "duckdb": from_first_to_last(ours),
                "spark": from_first_to_last(theirs),
            },
        ]
        blocks = _blocks(path)
        for stage in stages:
            at = "raw" if "raw" in stage["name"] else f"warehouse/*/{stage['name']}"
            stage["mb"] = sum(map(_megabytes, lake.glob(at)))
            stage["duckdb_mb"] = blocks.get(stage["name"], 0.0)
        stages[0]["duckdb_mb"] = raw / 1e6
        stages[-1]["mb"] = _megabytes(lake / "warehouse")
        stages[-1]["duckdb_mb"] = path.stat().st_size / 1e6 - raw / 1e6
        return {
            "events": events,
            "stages": stages,
            "duckdb_raw_mb": raw / 1e6,
            "duckdb_mb": path.stat().st_size / 1e6,
            "shuffled_mb": _shuffled(),
        }


def _fill(path: Path, events: int) -> None:
    sizes = {
        "first": 0,
        "recipients": events // 2,
        "each": RECIPIENTS_PER_EMAIL,
        "of_each": 2,
    }
    raw = Path(__file__).with_name("recipient_status_raw.sql").read_text()
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in raw.strip().removesuffix(";").split(";\n"):
            used = {k: v for k, v in sizes.items() if f"${k}" in statement}
            connection.execute(statement, used)
        connection.execute("checkpoint")


def _blocks(path: Path) -> dict[str, float]:
    """Megabytes that DuckDB's file has for each table of a stage."""
    with duckdb.connect(path, read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name, table_name from duckdb_tables()"
        ).fetchall()
        found = {}
        for table, name in tables:
            if name in STAGES:
                (size,) = connection.execute(BLOCKS, [table]).fetchone() or (0.0,)
                found[name] = float(size)
        return found


def _shuffled() -> float:
    """Megabytes that Spark's tasks handed to each other; ends the session."""
    session = SparkSession.builder.getOrCreate()
    executors = session._jsc.sc().statusStore().executorList(False)
    moved = sum(executors.apply(n).totalShuffleWrite() for n in range(executors.size()))
    session.stop()
    return moved / 1e6


def _both(
    ours: list[BaseResult], theirs: list[BaseResult], name: str
) -> dict[str, float]:
    return {
        engine: next(one.execution_time for one in results if one.node.name == name)
        for engine, results in (("duckdb", ours), ("spark", theirs))
    }


def _megabytes(folder: Path) -> float:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6


if __name__ == "__main__":
    main()
