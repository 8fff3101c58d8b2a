"""dbt, run and timed in this process, on a warehouse in a folder."""

from datetime import datetime
from pathlib import Path

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.results import BaseResult
from dbt.cli.main import dbtRunner

ROOT = Path(__file__).resolve().parents[1]


def dbt(home: str, *arguments: str) -> list[BaseResult]:
    """Runs dbt; the state folder is read from TALLYBOOK_HOME by the profile.

    Raises:
        SystemExit: It failed.
    """
    result = dbtRunner().invoke(
        [
            *arguments,
            *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT)),
            # As `tallybook build` asks dbt: it writes no line that nobody reads.
            *("--log-level", "none", "--log-level-file", "info"),
            *("--target-path", f"{home}/target", "--log-path", f"{home}/logs"),
        ]
    )
    DuckDBConnectionManager.close_all_connections()
    if not result.success:
        raise SystemExit(f"dbt {arguments[0]} failed: {result.exception}")
    return list(getattr(result.result, "results", []))


def from_first_to_last(results: list[BaseResult]) -> float:
    """Seconds from the beginning of the first model to the end of the last."""
    times: list[datetime] = []
    for result in results:
        for timing in result.timing:
            times += [at for at in (timing.started_at, timing.completed_at) if at]
    return (max(times) - min(times)).total_seconds()
