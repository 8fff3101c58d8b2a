"""The warehouse as the checks read it: attached read-only, a scratch file beside it.

    warehouse.duckdb (read-only) ──▶ rows, in chunks ──▶ Python
            scratch, gone with the block ◀── what is too much to be kept in memory

The engine only hands rows over and keeps them; what they mean is worked out in
Python.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

BATCH = 20_000
"""Rows that are handed over at once."""

_MEMORY = "192MB"


class UnreadableError(Exception):
    """The warehouse can't be checked as it is; the message says what to do."""


class Warehouse:
    """One warehouse, to be read.

    Attributes:
        con: Its catalogs are `warehouse` and, to write to, `scratch`.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        """Takes a connection from `opened`."""
        self.con = con

    def batches(
        self, sql: str, parameters: Sequence[object] = ()
    ) -> Iterator[pa.RecordBatch]:
        """A query's rows, in batches."""
        yield from self.con.cursor().execute(sql, parameters).to_arrow_reader(BATCH)

    def columns(
        self, sql: str, parameters: Sequence[object] = ()
    ) -> Iterator[dict[str, list[Any]]]:
        """A query's rows, in batches of lists, by column."""
        for batch in self.batches(sql, parameters):
            yield batch.to_pydict()

    def rows(
        self, sql: str, parameters: Sequence[object] = ()
    ) -> Iterator[dict[str, Any]]:
        """A query's rows, one after the other."""
        for batch in self.batches(sql, parameters):
            yield from batch.to_pylist()

    def keep(self, table: str, columns: dict[str, list[Any]], select: str) -> None:
        """Adds rows to a table of the scratch file.

        Args:
            table: Its name.
            columns: The rows, by column.
            select: What of them is kept, as the list of a SELECT.
        """
        kept = pa.table(columns)
        self.con.register("kept", kept)
        self.con.execute(f"insert into scratch.{table} select {select} from kept")
        self.con.unregister("kept")

    def has(self, schema: str, table: str) -> bool:
        """Whether the warehouse has a table or view."""
        return bool(self.columns_of(schema, table))

    def columns_of(self, schema: str, table: str) -> dict[str, str]:
        """A table's columns and their types; none if there is no such table."""
        return dict(
            self.con.execute(
                "select column_name, data_type from duckdb_columns()"
                " where database_name = 'warehouse' and schema_name = ?"
                " and table_name = ? order by column_index",
                [schema, table],
            ).fetchall()
        )

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """The first column of a query's first row."""
        found = self.con.execute(sql, parameters).fetchone()
        return found[0] if found else None


@contextmanager
def opened(path: Path, scratch: Path | None = None) -> Iterator[Warehouse]:
    """The warehouse, until the block ends.

    Args:
        path: The DuckDB file.
        scratch: The folder of the scratch file; the warehouse's own if None.

    Raises:
        UnreadableError: There is none, or another process has it open.
    """
    if not path.exists():
        raise UnreadableError(
            f"there is no warehouse yet at {path}: run `tallybook build` first"
        )
    with TemporaryDirectory(dir=scratch or path.parent, prefix=".check-") as folder:
        con = duckdb.connect(
            config={"memory_limit": _MEMORY, "temp_directory": f"{folder}/spill"}
        )
        try:
            con.execute("set TimeZone = 'UTC'")
            con.execute("set enable_progress_bar = false")
            try:
                con.execute(f"attach '{_quoted(path)}' as warehouse (read_only)")
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise
                raise UnreadableError(
                    f"{path} is open in another process: wait until it is done, "
                    "or close it"
                ) from error
            con.execute(
                f"attach '{_quoted(Path(folder, 'scratch.duckdb'))}' as scratch"
            )
            yield Warehouse(con)
        finally:
            con.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
