"""Makes a published file equal to the warehouse's marts, by what has changed.

Works on a connection that has both attached: `warehouse`, to be read only, and
`published`. The macros in macros/ledger/ write what is read here.
"""
# ruff: noqa: S608 - tables can't be parameters; every name is quoted.

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import duckdb

from tallybook.marts import MARTS, Mart
from tallybook.table_macros import TABLE_MACROS

PUBLICATION = Mart(
    name="publication",
    keeps_changes=False,
    description="One row: which state of the warehouse this file shows.",
    columns={
        "published_at": "When this file was published.",
        "built_at": "When the newest build that changed anything was made.",
        "change_number": "Everything up to this number of the ledger is in the file.",
        "invocation_id": "dbt's id of that build.",
    },
)
"""Describes `tallybook.publication`, the file's note about itself."""


@dataclass(frozen=True)
class Table:
    """What was done to a published table.

    Attributes:
        name: Its name in the schema `marts`.
        mode: Replaced whole, brought up to date by its changes, a view over the
            other tables, or dropped.
        rows: Rows written.
    """

    name: str
    mode: Literal["whole", "changes", "view", "dropped"]
    rows: int


@dataclass(frozen=True)
class Position:
    """A state of the warehouse, named by the newest build in it.

    Attributes:
        change_number: Up to where the ledger's changes are in.
        invocation_id: dbt's id of the build; empty before the first.
        built_at: When it was made.
    """

    change_number: int
    invocation_id: str
    built_at: datetime | None


class _Column(NamedTuple):
    name: str
    type: str
    comment: str | None


@dataclass
class _Relation:
    """A table or view; `sql` creates it."""

    kind: str
    comment: str | None
    sql: str
    columns: list[_Column]

    def has_columns_of(self, other: "_Relation") -> bool:
        return [c[:2] for c in self.columns] == [c[:2] for c in other.columns]


_Relations = dict[tuple[str, str], _Relation]
"""The tables and views of a file, by schema and name."""

_NOTHING_BUILT = Position(0, "", None)


def newest_build(con: duckdb.DuckDBPyConnection) -> Position:
    """Where the warehouse stands."""
    return _position(con, "warehouse.ledger.builds")


def followed_through(con: duckdb.DuckDBPyConnection) -> Position | None:
    """Where the published file stands, if the ledger goes back that far.

    It doesn't when those changes were trimmed, and when this is another
    warehouse than the one that was published: made anew, or an older copy.

    Returns:
        The position; None when the file can't be brought up to date.
    """
    position = _position(con, "published.tallybook.publication")
    if position == _NOTHING_BUILT or newest_build(con) == _NOTHING_BUILT:
        return None
    known = _number(
        con,
        """
        select count(*)
        from warehouse.ledger.builds
        where change_number = ?
            and invocation_id = ?
            and change_number >= (
                select coalesce(max(through), 0) from warehouse.ledger.trimmed
            )
        """,
        position.change_number,
        position.invocation_id,
    )
    return position if known else None


def catch_up(
    con: duckdb.DuckDBPyConnection,
    marts: Iterable[Mart],
    since: Position | None,
    now: datetime,
) -> tuple[tuple[Table, ...], Position]:
    """Makes the file equal to the marts, in one transaction.

    Args:
        con: A connection with both files attached.
        marts: What to publish; a mart that was never built is left out.
        since: Where the file stands; None to copy everything.
        now: The time of the publication.

    Returns:
        What was done to each table, and where the file stands now.
    """
    position = newest_build(con)
    there, here = _relations(con, "warehouse"), _relations(con, "published")
    rebuilt = _rebuilt(con, since) if since else set()
    built = [mart for mart in marts if (MARTS, mart.name) in there]
    # Views come last: they are made of the tables.
    built.sort(key=lambda mart: there[MARTS, mart.name].kind)
    con.begin()
    con.execute("use published")
    con.execute(f"create schema if not exists {MARTS}")
    tables = _drop_others(con, here, {mart.name for mart in built})
    for mart in built:
        relation, shown = there[MARTS, mart.name], here.get((MARTS, mart.name))
        view = _over_marts(relation)
        if shown and shown.kind != ("view" if view else "table"):
            con.execute(f"drop {shown.kind} {MARTS}.{_name(mart.name)}")
            shown = None
        if view:
            con.execute(view)
            tables.append(Table(mart.name, "view", 0))
        elif (
            since
            and mart.keeps_changes
            and mart.name not in rebuilt
            and shown
            and shown.has_columns_of(relation)
        ):
            tables.append(_apply_changes(con, mart, since, there))
        else:
            follows = (
                shown and shown.has_columns_of(relation) and not mart.keeps_changes
            )
            tables.append(_replace(con, mart, is_comparable=bool(follows)))
    _make_macros(con, {mart.name for mart in built})
    _note(con, position, now)
    _describe(con, built)
    con.commit()
    return tuple(tables), position


def _rebuilt(con: duckdb.DuckDBPyConnection, since: Position) -> set[str]:
    """Models whose rows the ledger doesn't list, for all of them were written."""
    rows = con.execute(
        "select distinct model from warehouse.ledger.rebuilds where change_number > ?",
        [since.change_number],
    ).fetchall()
    return {model for (model,) in rows}


def _over_marts(relation: _Relation) -> str | None:
    """A statement that makes the same view over the published tables.

    dbt writes the warehouse's name before each table, and whoever opens the
    published file has no warehouse.

    Returns:
        None for a table, and for a view over more than marts: it is copied.
    """
    if relation.kind != "view":
        return None
    sql = relation.sql.replace(f"warehouse.{MARTS}.", f"{MARTS}.")
    if "warehouse." in sql:
        return None
    return sql.replace("CREATE VIEW", "create or replace view", 1)


def _replace(
    con: duckdb.DuckDBPyConnection, mart: Mart, *, is_comparable: bool
) -> Table:
    """Copies a mart; a small one that the ledger doesn't follow only if it differs."""
    table = f"{MARTS}.{_name(mart.name)}"
    if is_comparable and not _number(
        con,
        f"""
        select count(*)
        from (
            (from {table} except all from warehouse.{table})
            union all
            (from warehouse.{table} except all from {table})
        )
        """,
    ):
        return Table(mart.name, "changes", 0)
    con.execute(f"create or replace table {table} as from warehouse.{table}")
    rows = _number(con, f"select count(*) from {table}")
    return Table(mart.name, "whole", rows)


def _apply_changes(
    con: duckdb.DuckDBPyConnection, mart: Mart, since: Position, there: _Relations
) -> Table:
    """Replaces the rows whose keys the ledger lists as changed.

    A changed row is listed as it was and as it is, so one list finds the rows
    to remove here and the rows to bring from there. Columns without a null in
    it are compared with `=`, which lets DuckDB skip the parts of a table that
    are far away; times come first, for tables lie in their order.
    """
    table = f"{MARTS}.{_name(mart.name)}"
    changes = f"{mart.name}__changes"
    listed = _number(
        con,
        f"""
        create or replace temp table changed as
        select distinct * exclude (change_number)
        from warehouse.ledger.{_name(changes)}
        where change_number > ?
        """,
        since.change_number,
    )
    if not listed:
        return Table(mart.name, "changes", 0)
    keys = sorted(
        (c for c in there["ledger", changes].columns if c.name != "change_number"),
        key=lambda column: not column.type.startswith(("TIMESTAMP", "DATE")),
    )
    names = [_name(column.name) for column in keys]
    counts = ", ".join(f"count(*) = count({name})" for name in names)
    filled = con.execute(f"select {counts} from changed").fetchall()[0]
    same = " and ".join(
        f"row.{name} {'=' if has_no_null else 'is not distinct from'} changed.{name}"
        for name, has_no_null in zip(names, filled, strict=True)
    )
    con.execute(f"delete from {table} as row using changed where {same}")
    rows = _number(
        con,
        f"""
        insert into {table}
        select row.*
        from warehouse.{table} as row
        semi join changed on {same}
        """,
    )
    return Table(mart.name, "changes", rows)


def _drop_others(
    con: duckdb.DuckDBPyConnection, here: _Relations, kept: set[str]
) -> list[Table]:
    """Drops what is published and no mart any more."""
    gone = [
        (name, relation.kind)
        for (schema, name), relation in sorted(here.items(), key=lambda one: one[0])
        if schema == MARTS and name not in kept
    ]
    for name, kind in gone:
        con.execute(f"drop {kind} {MARTS}.{_name(name)}")
    return [Table(name, "dropped", 0) for name, _ in gone]


def _make_macros(con: duckdb.DuckDBPyConnection, published: set[str]) -> None:
    """Gives the file the questions that its marts can answer."""
    for macro in TABLE_MACROS:
        name = f"{MARTS}.{_name(macro.name)}"
        if not macro.reads <= published:
            con.execute(f"drop macro table if exists {name}")
            continue
        con.execute(
            f"create or replace macro {name}({', '.join(macro.parameters)})"
            f" as table {macro.sql}"
        )
        con.execute(f"comment on macro table {name} is {_text(macro.description)}")


def _note(con: duckdb.DuckDBPyConnection, position: Position, now: datetime) -> None:
    """Writes into the file which state of the warehouse it shows."""
    con.execute("create schema if not exists tallybook")
    con.execute(
        """
        create table if not exists tallybook.publication (
            published_at timestamp with time zone,
            built_at timestamp with time zone,
            change_number bigint,
            invocation_id varchar
        )
        """
    )
    con.execute("delete from tallybook.publication")
    con.execute(
        "insert into tallybook.publication values (?, ?, ?, ?)",
        [now, position.built_at, position.change_number, position.invocation_id],
    )


def _describe(con: duckdb.DuckDBPyConnection, marts: list[Mart]) -> None:
    """Gives tables and columns their descriptions, where they differ."""
    described = {(MARTS, mart.name): mart for mart in marts}
    described["tallybook", PUBLICATION.name] = PUBLICATION
    for at, relation in _relations(con, "published").items():
        mart = described[at]
        name = f"{at[0]}.{_name(at[1])}"
        if relation.comment != (mart.description or None):
            text = _text(mart.description)
            con.execute(f"comment on {relation.kind} {name} is {text}")
        for column in relation.columns:
            wanted = mart.columns.get(column.name, "")
            if column.comment != (wanted or None):
                con.execute(
                    f"comment on column {name}.{_name(column.name)} is {_text(wanted)}"
                )


def _position(con: duckdb.DuckDBPyConnection, table: str) -> Position:
    try:
        row = con.execute(
            "select change_number, invocation_id, built_at"
            f" from {table} order by change_number desc limit 1"
        ).fetchone()
    except duckdb.CatalogException:
        return _NOTHING_BUILT
    return Position(*row) if row else _NOTHING_BUILT


def _relations(con: duckdb.DuckDBPyConnection, database: str) -> _Relations:
    relations = {
        (schema, name): _Relation(kind, comment, sql, [])
        for schema, name, kind, comment, sql in con.execute(
            """
            select schema_name, table_name, 'table', comment, sql
            from duckdb_tables() where database_name = $1
            union all
            select schema_name, view_name, 'view', comment, sql
            from duckdb_views() where database_name = $1 and not internal
            """,
            [database],
        ).fetchall()
    }
    for schema, name, *column in con.execute(
        "select schema_name, table_name, column_name, data_type, comment"
        " from duckdb_columns() where database_name = ? and not internal"
        " order by column_index",
        [database],
    ).fetchall():
        relations[schema, name].columns.append(_Column(*column))
    return relations


def _number(con: duckdb.DuckDBPyConnection, sql: str, *parameters: str | int) -> int:
    row = con.execute(sql, parameters).fetchone()
    return int(row[0]) if row else 0


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'" if text else "null"
