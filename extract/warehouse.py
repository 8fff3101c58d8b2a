"""The warehouse while it is loaded: one connection, the tables of events in place.

warehouse.duckdb ◀── one connection ◀── dlt, queries for repeats
                             ╰── closed at the end, so that dbt can open the file
"""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from extract.home import warehouse_path
from extract.tables import TABLES, Table

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # Since 1.2.0 text can be stored with zstd. A file keeps the version that it was
    # made with, so this matters to the one who makes it.
    "storage_compatibility_version": "v1.2.0",
    # One thread inserts in the order of time, by which everything later prunes. Two
    # would each fill row groups of their own, which are then written a second time.
    "threads": 1,
    # A row group is 150 MB before it is compressed. More waits on disk, which took no
    # longer with 128 MB than with 160.
    "memory_limit": "128MB",
}


class WarehouseBusyError(Exception):
    """Another process has the warehouse open."""


@contextmanager
def open_warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, for this process alone, with the tables of `TABLES`.

    Raises:
        WarehouseBusyError: Another process has it open.
    """
    path = warehouse_path()
    try:
        connection = duckdb.connect(str(path), config=_CONFIG)
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise
        raise WarehouseBusyError(
            f"{path} is open in another process: wait until it is done, or close it"
        ) from error
    try:
        connection.execute("set timezone = 'UTC'")
        # DuckDB's bars would end up between ours, and in logs and pipes.
        connection.execute("set enable_progress_bar = false")
        _create_tables(connection)
        yield connection
    finally:
        connection.close()


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates what is missing; dlt and dbt find it and leave it."""
    connection.execute("create schema if not exists raw")
    for table in TABLES:
        if not _exists(connection, table):
            connection.execute(table.create(compressed=_is_new(connection)))
        elif any(column.compression for column in table.columns) and _empty(
            connection, table
        ):
            # dbt makes it on a fresh clone, without the compression. Nothing is lost.
            connection.execute(f"drop table raw.{table.name}")
            connection.execute(table.create(compressed=_is_new(connection)))
        for column in table.added(_columns(connection, table)):
            connection.execute(column)


def _exists(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    found = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'raw' and table_name = ?",
        [table.name],
    ).fetchone()
    return found is not None


def _columns(connection: duckdb.DuckDBPyConnection, table: Table) -> set[str]:
    found = connection.execute(
        "select column_name from duckdb_columns()"
        " where schema_name = 'raw' and table_name = ?",
        [table.name],
    ).fetchall()
    return {name for (name,) in found}


def _empty(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    found = connection.execute(f"select 1 from raw.{table.name} limit 1").fetchone()  # noqa: S608 - a name of ours
    return found is None


def _is_new(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file can hold zstd; older ones would leave the text as it is."""
    version = connection.execute(
        "select tags['storage_version'] from duckdb_databases()"
        " where database_name = current_database()"
    ).fetchone()
    return version is not None and not str(version[0]).startswith(
        ("v0.", "v1.0", "v1.1")
    )
