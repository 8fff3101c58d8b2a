"""What `raw` holds already, asked at a cost that does not grow with history.

    keys of some pages, and their UTC days ──▶ raw.mailgun_events ──▶ keys it holds

Rows lie in the order of time, and the days stand in the statement as literals, so
DuckDB reads the row groups of those days and skips all others. A join alone would
not prune: its keys are spread over the whole range of text.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract.windows import DAY

MOST_STRETCHES = 12
"""Queries for one question."""


def held_events(
    warehouse: duckdb.DuckDBPyConnection,
    table: str,
    keys: Sequence[str],
    occurred_at: Iterable[int],
) -> set[str]:
    """Which of these events `raw` holds.

    Args:
        warehouse: Connection to the warehouse.
        table: Name of a table in `raw` with event_key and occurred_at.
        keys: Event keys; a key holds its event's UTC day, so it is looked for there.
        occurred_at: Their instants, microseconds since the epoch.
    """
    held: set[str] = set()
    for first, last in _stretches({at // DAY for at in occurred_at}):
        held |= _held(
            warehouse,
            f"select event_key as key from raw.{table}"  # noqa: S608 - names of ours
            f" where occurred_at >= {_literal(first)}"
            f" and occurred_at < {_literal(last + 1)}",
            keys,
        )
    return held


def held_requests(
    warehouse: duckdb.DuckDBPyConnection,
    request_ids: Sequence[str],
    received_at: Iterable[int],
) -> set[str]:
    """Which of these received requests `raw` holds.

    Args:
        warehouse: Connection to the warehouse.
        request_ids: Their ids.
        received_at: Their instants of receipt, microseconds since the epoch.
    """
    held: set[str] = set()
    for first, last in _stretches({at // DAY for at in received_at}):
        held |= _held(
            warehouse,
            "select request_id as key from raw.requests"  # noqa: S608 - literals of ours
            f" where received_at >= {_literal(first)}"
            f" and received_at < {_literal(last + 1)}",
            request_ids,
        )
    return held


def held_dead_letters(
    warehouse: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> set[str]:
    """Which of these dead letters `raw` holds; they are few, so all are looked at."""
    return _held(warehouse, "select dead_letter_key as key from raw.dead_letters", keys)


def _held(
    warehouse: duckdb.DuckDBPyConnection, rows: str, keys: Sequence[str]
) -> set[str]:
    if not keys:
        return set()
    warehouse.register("asked", pa.table({"key": pa.array(keys, pa.string())}))
    try:
        found = warehouse.execute(
            f"select key from ({rows}) where key in (select key from asked)"  # noqa: S608 - made above
        ).fetchall()
    finally:
        warehouse.unregister("asked")
    return {key for (key,) in found}


def _stretches(days: set[int]) -> list[tuple[int, int]]:
    """Days as runs of consecutive ones: ORed ranges would prune nothing.

    Few runs: what someone sends with days from all over history costs a longer look,
    not a thousand short ones.
    """
    stretches: list[tuple[int, int]] = []
    for day in sorted(days):
        if stretches and stretches[-1][1] >= day - 1:
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    while len(stretches) > MOST_STRETCHES:
        gaps = [after[0] - before[1] for before, after in pairwise(stretches)]
        at = gaps.index(min(gaps))
        stretches[at : at + 2] = [(stretches[at][0], stretches[at + 1][1])]
    return stretches


def _literal(day: int) -> str:
    at = datetime.fromtimestamp(day * DAY / 1_000_000, UTC)
    return f"timestamptz '{at:%Y-%m-%d} 00:00:00+00'"
