"""Committed loads of the warehouse on shared storage, as Parquet that Spark reads.

    raw of the warehouse ──▶ LAKE/raw/<table>/<day>/<first load>.parquet
     (each event once)       LAKE/raw/<small table>/all.parquet
                             LAKE/raw/_dlt_loads/<day>/<first load>.parquet   last

Extractors and the inbox load the warehouse as ever, which decides what is new: so keys
are the same here, and each event comes once. A load is landed once the lake's own log
lists it. A landing that was killed before that is done again by the next one, into
files of the same names; meanwhile no model takes rows of a load that no log lists.

What never changes is added to: a late event lies with the day on which it was loaded,
so a day's folder is finished soon after the day, and may then be made one file. What
does change (the application's tables, local days) is written whole when something did.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import IO, Any

import duckdb
import fsspec  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from extract.tables import LOAD_ID, TABLES

LOG = "_dlt_loads"
ADDED_TO = tuple(table.name for table in TABLES if table.disposition == "append")
_COMMITTED = f"""
    select load_id, cast(min(inserted_at) as date)
    from raw.{LOG}
    where status = 0
    group by load_id
    order by min(rowid)
"""  # noqa: S608 - a constant
_OF_LOADS = f"where {LOAD_ID} in (select unnest(?))"
_LOG = f"select * from raw.{LOG} where load_id in (select unnest(?))"  # noqa: S608
ROWS = 100_000
"""Rows at a time: 100 MB of events."""


@dataclass(frozen=True)
class Landed:
    """What a landing did.

    Attributes:
        loads: Loads that are on the lake now and weren't before.
        rows: Rows that were written, by table.
    """

    loads: int
    rows: dict[str, int]


def land(warehouse: duckdb.DuckDBPyConnection, lake: str) -> Landed:
    """Writes the loads that the lake doesn't list yet.

    Args:
        warehouse: Nobody else writes it meanwhile.
        lake: The address of a folder: file:///srv/lake, s3a://bucket/lake. What fsspec
            needs beside it (s3fs and its credentials) is the machine's.

    Returns:
        What was written.
    """
    files, root = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/raw")
    raw = _Raw(files, root)
    there = raw.loads()
    # In the order of dlt's log, which only grows: when a landing is killed, the next
    # one begins a day with the same load, and so writes files of the same names.
    new = [
        (load, day)
        for load, day in warehouse.execute(_COMMITTED).fetchall()
        if load not in there
    ]
    rows: Counter[str] = Counter()
    loads = [load for load, _ in new]
    for table in _tables(warehouse) if new else ():
        query = f"select * from raw.{table}"  # noqa: S608 - a name of dlt's or ours
        is_touched = warehouse.execute(f"{query} {_OF_LOADS} limit 1", [loads])
        if table not in ADDED_TO and is_touched.fetchone():
            rows[table] += raw.write(warehouse.execute(query), table, "all.parquet")
    for day, its in groupby(new, key=itemgetter(1)):
        loads = [load for load, _ in its]
        name = f"{day}/{loads[0]}.parquet"
        for table in ADDED_TO:
            query = f"select * from raw.{table} {_OF_LOADS}"  # noqa: S608 - our own names
            rows[table] += raw.write(warehouse.execute(query, [loads]), table, name)
        raw.write(warehouse.execute(_LOG, [loads]), LOG, name)
    return Landed(len(new), {table: count for table, count in rows.items() if count})


def _tables(warehouse: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of raw that hold what came with a load."""
    found = warehouse.execute(
        "select table_name from duckdb_columns()"
        " where schema_name = 'raw' and column_name = ? order by table_name",
        [LOAD_ID],
    ).fetchall()
    return [table for (table,) in found]


class _Raw:
    """The lake's folder of raw tables."""

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root

    def loads(self) -> set[str]:
        """The loads that the lake lists."""
        found: set[str] = set()
        for path in self._files.glob(f"{self._root}/{LOG}/*/*.parquet"):
            with self._files.open(path, "rb") as file:
                found.update(pq.read_table(file, columns=["load_id"])[0].to_pylist())
        return found

    def write(self, rows: duckdb.DuckDBPyConnection, table: str, name: str) -> int:
        """Writes a query's rows as one file; none for no rows.

        Returns:
            How many there are.
        """
        count = 0
        reader = rows.to_arrow_reader(ROWS)
        first = next(reader, None)
        if first is None or not first.num_rows:
            return 0
        with (
            self._whole(f"{self._root}/{table}/{name}") as file,
            pq.ParquetWriter(file, reader.schema, compression="zstd") as writer,
        ):
            for batch in chain((first,), reader):
                writer.write_batch(batch)
                count += batch.num_rows
        return count

    @contextmanager
    def _whole(self, path: str) -> Iterator[IO[bytes]]:
        """A file that is there once it is whole, in place of the one before."""
        folder, _, name = path.rpartition("/")
        self._files.makedirs(folder, exist_ok=True)
        half = f"{folder}/.{name}"  # Spark doesn't look at it
        with self._files.open(half, "wb") as file:
            yield file
        self._files.mv(half, path)
