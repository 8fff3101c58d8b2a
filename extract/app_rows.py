"""What is done to each batch of the application's rows on its way into raw.

    batch ──typed──▶ raw's types ──newest──▶ one row a key ──changed──▶ new or different
                                                                ▲
                                                  raw.app_* ────┘

Batches are Arrow tables of some ten thousand rows, in the order of their key. DuckDB
does the work, on a cursor of the warehouse's connection whose session is in UTC.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from extract.app_tables import AppError, Kind, Table

ARROW: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "bool": pa.bool_(),
    "double": pa.float64(),
}

SQL: dict[Kind, str] = {
    "text": "varchar",
    "timestamp": "timestamptz",
    "bool": "boolean",
    "double": "double",
}

ACCEPTED: dict[Kind, str] = {
    "text": "text or whole numbers",
    "timestamp": "a timestamp type, or text in ISO 8601, of the years 1 to 9999",
    "bool": "a boolean, 0 or 1, or the text true or false",
    "double": "a finite number, or text that holds one",
}

FAMILIES: dict[str, Callable[[pa.DataType], bool]] = {
    "text": lambda given: (
        pa.types.is_string(given)
        or pa.types.is_large_string(given)
        or pa.types.is_string_view(given)
    ),
    "whole": lambda given: (
        pa.types.is_integer(given) or (pa.types.is_decimal(given) and given.scale == 0)
    ),
    "number": lambda given: pa.types.is_floating(given) or pa.types.is_decimal(given),
    "bool": pa.types.is_boolean,
    "time": pa.types.is_timestamp,
}
"""Arrow's types, by what can be made of them."""

INSTANT = (
    "case when {0} between timestamptz '0001-01-01 00:00:00+00'"
    " and timestamptz '9999-12-31 23:59:59.999999+00' then {0} end"
)
"""Only an instant that Python can hold; databases also know infinity."""

FINITE = "case when isfinite({0}) then {0} end"

CASTS: dict[tuple[Kind, str], str] = {
    ("text", "text"): "{0}::varchar",
    ("text", "whole"): "{0}::varchar",
    # The session's zone is UTC, so a time without a zone is taken as UTC.
    ("timestamp", "text"): INSTANT.format("try_cast({0} as timestamptz)"),
    ("timestamp", "time"): INSTANT.format("{0}::timestamptz"),
    ("bool", "bool"): "{0}",
    ("bool", "whole"): "case {0} when 1 then true when 0 then false end",
    ("bool", "text"): "try_cast({0} as boolean)",
    ("double", "text"): FINITE.format("try_cast({0} as double)"),
    ("double", "whole"): "{0}::double",
    ("double", "number"): FINITE.format("{0}::double"),
}


def expression(kind: Kind, given: pa.DataType, column: str) -> str | None:
    """SQL that makes raw's type of a column, null where a value doesn't fit.

    Args:
        kind: The type in raw.
        given: The type at the location.
        column: The column's name, one of `app_tables`.

    Returns:
        The expression, for a session in UTC; None if no value of that type fits.
    """
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_null(given):
        return f"null::{SQL[kind]}"
    for family, is_of in FAMILIES.items():
        if is_of(given) and (kind, family) in CASTS:
            return CASTS[kind, family].format(column)
    return None


def session(warehouse: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A cursor of the warehouse's connection, with a session of its own in UTC."""
    cursor = warehouse.cursor()
    cursor.execute("set timezone = 'UTC'")
    return cursor


def schema(table: Table) -> pa.Schema:
    """All of a table's columns, in raw's types."""
    return pa.schema(
        [
            pa.field(name, ARROW[kind], nullable=name not in table.key)
            for name, kind in table.columns.items()
        ]
    )


def typed(
    batches: Iterable[pa.Table], table: Table, cursor: duckdb.DuckDBPyConnection
) -> Iterator[pa.Table]:
    """Gives each batch all of raw's columns, in raw's types.

    Args:
        batches: Tables with some of the columns, in any type.
        table: What they are rows of.
        cursor: From `session`.

    Yields:
        Tables with all columns of `table.columns`.

    Raises:
        AppError: A value doesn't fit its column, or a key is null. The message names
            table, column and type, never a value.
    """
    made_schema = schema(table)
    for batch in batches:
        parts = []
        for column, kind in table.columns.items():
            if column not in batch.column_names:
                parts.append(f"null::{SQL[kind]} as {column}")
                continue
            given = batch.schema.field(column).type
            part = expression(kind, given, column)
            if part is None:
                raise _misfit(table, column, f"has the type {given}")
            parts.append(f"{part} as {column}")
        cursor.register("batch", batch)
        made = cursor.execute(f"select {', '.join(parts)} from batch")  # noqa: S608
        rows = made.to_arrow_table()
        for column in batch.column_names:
            lost = rows[column].null_count - batch[column].null_count
            if lost:
                what = f"{lost:,} of {len(rows):,} values ({batch[column].type}) don't"
                raise _misfit(table, column, f"holds values that don't fit: {what}")
        for column in table.key:
            if empty := rows[column].null_count:
                message = (
                    f"{table.name}.{column} is null in {empty:,} of {len(rows):,}"
                    f" rows, and is part of what tells rows apart. Give it a value, or"
                    f" leave such rows out with SOURCES__APP__{table.name.upper()}"
                    f"__QUERY."
                )
                raise AppError(message)
        yield rows.cast(made_schema)


def newest(
    batches: Iterable[pa.Table], table: Table, cursor: duckdb.DuckDBPyConnection
) -> Iterator[pa.Table]:
    """Leaves one row of each key: the one updated last, then the last one read.

    The last row of a batch waits for the next batch, which may have more of its key.

    Args:
        batches: Typed tables in the order of their key.
        table: What they are rows of.
        cursor: From `session`.

    Yields:
        Tables with the same columns.
    """
    waiting: pa.Table | None = None
    for batch in batches:
        rows = batch if waiting is None else pa.concat_tables([waiting, batch])
        cursor.register("batch", rows)
        single = cursor.execute(
            f"""
            with numbered as (select *, row_number() over () as position from batch)

            select * exclude (position)

            from numbered

            qualify
                row_number() over (
                    partition by {", ".join(table.key)}
                    order by updated_at desc nulls last, position desc
                ) = 1

            order by position
            """  # noqa: S608 -- the names are constants of app_tables
        ).to_arrow_table()
        rows = single.cast(rows.schema)
        waiting = rows.slice(len(rows) - 1)
        if len(rows) > 1:
            yield rows.slice(0, len(rows) - 1)
    if waiting is not None:
        yield waiting


def changed(
    rows: pa.Table, table: Table, cursor: duckdb.DuckDBPyConnection
) -> pa.Table:
    """Leaves the rows that raw doesn't hold, or holds otherwise.

    A row that was merely read again must not be loaded again: its new load id would
    re-open days downstream for nothing.

    Args:
        rows: Typed, one row a key; `holds_rows` is true of their table.
        table: What they are rows of.
        cursor: From `session`.

    Returns:
        A table with the same columns, in the order of the key.
    """
    cursor.register("batch", rows)
    names, key = ", ".join(table.columns), ", ".join(table.key)
    # The range lets DuckDB pass over most of a large table without reading it.
    different = cursor.execute(
        f"""
        select {names} from batch
        except
        select {names}
        from raw.{table.raw_name}
        semi join batch using ({key})
        where {table.key[0]} between $min and $max
        order by {key}
        """,  # noqa: S608 -- the names are constants of app_tables
        pc.min_max(rows[table.key[0]]).as_py(),
    )
    return different.to_arrow_table().cast(rows.schema)


def holds_rows(table: Table, cursor: duckdb.DuckDBPyConnection) -> bool:
    """Whether raw has rows of this table, with all of its columns."""
    columns = cursor.execute(
        "select column_name from information_schema.columns"
        " where table_schema = 'raw' and table_name = $name",
        {"name": table.raw_name},
    ).fetchall()
    if not set(table.columns) <= {name for (name,) in columns}:
        return False
    one = cursor.execute(f"select 1 from raw.{table.raw_name} limit 1")  # noqa: S608
    return one.fetchone() is not None


def last_update(rows: pa.Table) -> datetime | None:
    """The greatest `updated_at` in a typed table; None if all are null."""
    last: datetime | None = pc.max(rows["updated_at"]).as_py()
    return last


def _misfit(table: Table, column: str, what: str) -> AppError:
    """The error for a column that can't become what raw holds."""
    kind = table.columns[column]
    return AppError(
        f"{table.name}.{column} {what}. It takes {ACCEPTED[kind]}. Change it where it"
        f" comes from, or convert it in SOURCES__APP__{table.name.upper()}__QUERY (for"
        f" a database)."
    )
