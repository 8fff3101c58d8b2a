"""The rows that break an expectation, as a SELECT that somebody can run.

expectation, as Great Expectations keeps it ──▶ where clause ──▶ select * from …
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from quality.recount.raw_rows import text


def breaking(
    table: str, kind: str, asked: Mapping[str, Any], holds: Mapping[str, str], only: str
) -> str:
    """The SELECT; empty where no condition tells the rows.

    Args:
        table: Schema and table.
        kind: What is expected, by Great Expectations' name.
        asked: Its arguments.
        holds: What must be true of a row, by the name of the frame's column for it.
        only: Which rows are looked at; empty for all.
    """
    condition = _condition(table, kind, asked, holds)
    if not table or not condition:
        return ""
    conditions = " and ".join(part for part in (only, condition) if part)
    return f"select * from {table} where {conditions}"


def _condition(
    table: str, kind: str, asked: Mapping[str, Any], holds: Mapping[str, str]
) -> str:
    """What is true of them."""
    column = asked.get("column", "")
    if column in holds:
        return f"not coalesce({holds[column]}, true)"
    conditions = {
        "not_be_null": lambda: f"{column} is null",
        "be_in_set": lambda: f"{column} not in ({_listed(asked['value_set'])})",
        "be_between": lambda: _outside(column, asked),
        "be_unique": lambda: _doubled(table, asked.get("column_list", [column])),
    }
    of = re.sub("^expect_(column_values|compound_columns)_to_", "", kind)
    return conditions[of]() if of in conditions else ""


def _outside(column: str, asked: Mapping[str, Any]) -> str:
    parts = [
        f"{column} {sign} {_literal(asked[limit])}"
        for sign, limit in (("<", "min_value"), (">", "max_value"))
        if asked.get(limit) is not None
    ]
    return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"


def _doubled(table: str, columns: Sequence[str]) -> str:
    key = ", ".join(columns)
    return (
        f"({key}) in (select ({key}) from {table} group by {key} having count(*) > 1)"
    )


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(_literal, values))


def _literal(value: Any) -> str:
    """A limit as SQL writes it; an instant is one of UTC."""
    if isinstance(value, datetime):
        return f"timestamptz '{value}+00:00'"
    return text(value) if isinstance(value, str) else str(value)
