"""The application's own tables, brought into raw and kept up to date.

    folder or database ──batches──▶ typed ──▶ newest of a key ──▶ new or changed
                                                                       │
    resource state: updated_at ◀── together with the rows ── raw.app_* ◀ merge by key

Read is what `updated_at` says is new, and ten minutes before: a row's time is set
when its transaction begins, so one that commits late appears behind the cursor.
Loaded is only what differs from raw. A table without `updated_at` is read whole.

Rows gone from the application stay as they are: a deletion is told by `deleted_at`,
and what vanishes without a word is found by a sweep (`app_sweep`).
"""

import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dlt
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from dlt.common.schema.typing import TColumnSchema
from dlt.extract import DltResource, DltSource

from extract import app_rows
from extract.app_locations import Location, open_location
from extract.app_tables import TABLES, AppError, Table
from extract.forgotten import Forgotten

OVERLAP = timedelta(minutes=10)
"""How long after its `updated_at` a row may be committed and still be found."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Before every update; a cursor here would be none."""


def app(
    location: str,
    warehouse: duckdb.DuckDBPyConnection,
    queries: Mapping[str, str],
    *,
    everything: bool = False,
    forgotten: Forgotten | None = None,
) -> DltSource:
    """The application's tables that are new or changed since the last read.

    Args:
        location: A folder with `<table>.parquet` or `.csv` files, or a SQLAlchemy
            address. A table that is absent is an empty one.
        warehouse: Connection to the warehouse; only read, on cursors of its own.
        queries: By table name, the SELECT that brings an application's own table
            into our columns. For databases only.
        everything: Whether rows are read that were updated long ago, too: an import
            or a restore may write rows that are older than the last read.
        forgotten: Who is not to be named in any row.

    Returns:
        A source with a resource `app_<table>` for each of `app_tables.TABLES`; each
        yields Arrow tables of at most `app_locations.BATCH` rows, none if nothing
        changed.

    Raises:
        AppError: The location can't be reached, or a query is for no table of ours.
            While reading, the resources raise it for what doesn't fit; dlt hands it
            on as the cause of its own error.
    """
    place = open_checked(location, queries)
    who = forgotten or Forgotten()
    return source_of(lambda table: _changes(table, place, warehouse, everything, who))


def open_checked(location: str, queries: Mapping[str, str]) -> Location:
    """Opens a location, whose queries are all for tables of ours.

    Raises:
        AppError: As for `app`.
    """
    names = [table.name for table in TABLES]
    if unknown := sorted(set(queries) - set(names)):
        message = (
            f"SOURCES__APP__{unknown[0].upper()}__QUERY is for no table. The tables"
            f" are {', '.join(names)}."
        )
        raise AppError(message)
    return open_location(location, queries)


def source_of(rows_of: Callable[[Table], Iterator[pa.Table]]) -> DltSource:
    """The source whose resources merge rows into the tables by key.

    Args:
        rows_of: Gives a table's rows to merge, one a key, typed.
    """
    resources = [_resource(table, rows_of) for table in TABLES]
    return dlt.source(lambda: resources, name="app")()


def _resource(
    table: Table, rows_of: Callable[[Table], Iterator[pa.Table]]
) -> DltResource:
    """The resource that merges rows into one table."""
    columns: dict[str, TColumnSchema] = {
        name: {"data_type": kind, "nullable": name not in table.key}
        for name, kind in table.columns.items()
    }

    def rows() -> Iterator[pa.Table]:
        for batch in rows_of(table):
            yield batch
            # dlt leaves each batch in a cycle (an error that it caught, its frames),
            # and a run seldom looks for those: a million rows would all be held.
            gc.collect(0)

    return dlt.resource(
        rows,
        name=table.raw_name,
        primary_key=table.key,
        write_disposition={
            "disposition": "merge",
            "strategy": "delete-insert",
            "deduplicated": True,
        },
        columns=columns,
        schema_contract={
            "tables": "evolve",
            "columns": "freeze",
            "data_type": "freeze",
        },
    )


def _changes(
    table: Table,
    place: Location,
    warehouse: duckdb.DuckDBPyConnection,
    everything: bool,
    forgotten: Forgotten,
) -> Iterator[pa.Table]:
    """Reads a table from where the last read stopped; moves the cursor at the end.

    The cursor is only good for what it was made with. With another location, query
    or set of columns, or an empty table in raw, everything is read again.
    """
    found = place.columns(table)
    if found is None:
        return
    columns = readable(table, found, place)
    made_with = digest(place.name, place.query(table), columns)
    state = dlt.current.resource_state()
    # A clock that runs ahead must not take the cursor past what is yet to be written.
    last, now = EPOCH, datetime.now(UTC)
    since: datetime | None = None
    moved = False
    with closing(app_rows.session(warehouse)) as cursor:
        held = app_rows.holds_rows(table, cursor)
        if held and not everything and state.get("made_with") == made_with:
            since = state["updated_at"] - OVERLAP
        with closing(place.batches(table, columns, since)) as batches:
            typed = forgotten.rows(app_rows.typed(batches, table, cursor), table)
            for batch in app_rows.newest(typed, table, cursor):
                last = max(last, app_rows.last_update(batch) or EPOCH)
                rows = app_rows.changed(batch, table, cursor) if held else batch
                if len(rows):
                    moved = True
                    yield rows
    # Without new rows the state stays as it is, so that dlt has nothing to load.
    if last > EPOCH and (moved or since is None):
        state.update(made_with=made_with, updated_at=min(last, now))


def readable(table: Table, found: Sequence[str], place: Location) -> list[str]:
    """Those of a table's columns that the location has, in raw's order.

    Raises:
        AppError: It lacks a required one.
    """
    if missing := sorted(table.required - set(found)):
        message = (
            f"{table.name} in {place.name} has no column {', '.join(missing)}. It has"
            f" {', '.join(found) or 'none'}. Rename or add the column there, or give"
            f" SOURCES__APP__{table.name.upper()}__QUERY (for a database)."
        )
        raise AppError(message)
    return [name for name in table.columns if name in found]


def digest(*parts: object) -> str:
    """A short name for what a cursor was made with."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
