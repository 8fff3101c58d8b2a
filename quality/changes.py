"""What a change of the models does: the marts' rows before beside those after.

published before ──╮
published after  ──┴─▶ rows that only one of them has ──▶ Markdown

python -m quality.changes before.duckdb after.duckdb >> "$GITHUB_STEP_SUMMARY"

Both are of the same raw events, built with the models of two commits. That rows differ
is no fault but what a change is for: somebody looks at them. The `ops_` tables are
left out, since they tell the time.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

import duckdb

_SHOWN = 10
"""Rows of a mart."""

_LONGEST = 60
"""Characters of a value."""

_WRITTEN = ("rebuilt_at",)
"""Columns that say when a row was written."""

_SIDES = ("before", "after")

_Columns: TypeAlias = dict[str, str]


def changes(before: Path, after: Path) -> Iterator[str]:
    """Lines of Markdown: a heading for each mart that differs, and its first rows.

    Args:
        before: A published file.
        after: The other one.
    """
    yield "### What the change does to the marts\n"
    is_same = True
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        for side, path in zip(_SIDES, (before, after), strict=True):
            name = str(path).replace("'", "''")
            con.execute(f"attach '{name}' as {side} (read_only)")
        columns = [_columns(con, side) for side in _SIDES]
        for mart in sorted(columns[0].keys() | columns[1].keys()):
            told = list(_mart(con, mart, *(each.get(mart, {}) for each in columns)))
            yield from told
            is_same = is_same and not told
    if is_same:
        yield "No row differs."


def _columns(con: duckdb.DuckDBPyConnection, side: str) -> dict[str, _Columns]:
    """The columns of each mart and their types, in their order."""
    found: dict[str, _Columns] = {}
    for mart, column, kind in con.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where database_name = ? and schema_name = 'marts'"
        " and (table_name like 'fct%' or table_name like 'dim%')"
        " order by table_name, column_index",
        [side],
    ).fetchall():
        found.setdefault(mart, {})[column] = kind
    return found


def _mart(
    con: duckdb.DuckDBPyConnection, mart: str, before: _Columns, after: _Columns
) -> Iterator[str]:
    """What is to be said of one mart; nothing if it is the same."""
    if not before or not after:
        yield f"#### {mart}\n\n{'It is new.' if after else 'It is gone.'}\n"
        return
    both = [name for name in before if name in after and name not in _WRITTEN]
    listed = ", ".join(f'"{name}"' for name in both)
    old, new = (f"select {listed} from {side}.marts.{mart}" for side in _SIDES)
    one_sided = (
        f"select '-' as side, * from ({old} except all {new})"
        f" union all select '+' as side, * from ({new} except all {old})"
    )
    gone, come = con.execute(
        "select count(*) filter (where side = '-'), count(*) filter (where side = '+')"
        f" from ({one_sided})"
    ).fetchall()[0]
    notes = [
        f"{word}: {', '.join(names)}."
        for word, names in (
            ("Columns that are gone", [name for name in before if name not in after]),
            ("New columns", [name for name in after if name not in before]),
        )
        if names
    ]
    if not (gone or come or notes):
        return
    told = " ".join([f"{gone:,} rows before, {come:,} after.", *notes])
    yield f"#### {mart}\n\n{told}\n"
    if gone or come:
        # A mart's grain stands first, and is told in words and dates.
        key = list(takewhile(lambda name: before[name] in ("VARCHAR", "DATE"), both))
        order = ", ".join(f'"{name}"' for name in key or both)
        rows = con.execute(
            f"select * from ({one_sided}) order by {order}, side desc limit {_SHOWN}"
        ).fetchall()
        yield from _table(["", *both], rows, 1 + len(key))
        yield ""


def _table(
    names: list[str], rows: list[tuple[object, ...]], keys: int
) -> Iterator[str]:
    """The rows, with their first columns and those that are not the same before."""
    sides = [[row for row in rows if row[0] == side] for side in "-+"]
    places = [
        place
        for place in range(len(names))
        if place < keys
        or Counter(row[place] for row in sides[0])
        != Counter(row[place] for row in sides[1])
    ]
    yield _line(names[place] for place in places)
    yield "|---" * len(places) + "|"
    for row in rows:
        yield _line(row[place] for place in places)


def _line(values: Iterable[object]) -> str:
    """A row of a table."""
    return "| " + " | ".join(map(_shown, values)) + " |"


def _shown(value: object) -> str:
    """A value that breaks no table, whoever wrote it."""
    text = "null" if value is None else " ".join(str(value).split())
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return escape(text).replace("|", "&#124;")


if __name__ == "__main__":
    for line in changes(Path(sys.argv[1]), Path(sys.argv[2])):
        sys.stdout.write(line + "\n")
