"""Rows of two engines, compared cell by cell."""

import json
from math import isclose
from typing import Any

Row = dict[str, Any]

CLOCKS = {"rebuilt_at", "checked_at", "age_seconds"}
"""When something was written or asked, which no two builds share."""

PARTITIONS = {"occurred_on", "created_on"}
"""Columns that only Spark's files have."""

JSON = {"tags", "user_variables"}


def differing_cells(ours: list[Row], theirs: list[Row]) -> list[object]:
    """The cells in which rows in the same order differ."""
    if len(ours) != len(theirs):
        return [(len(ours), "rows, not", len(theirs))]
    return [
        (name, one.get(name), "not", other.get(name), one)
        for one, other in zip(ours, theirs, strict=True)
        for name in one.keys() | other.keys()
        if not is_same(one.get(name), other.get(name))
    ]


def in_order(rows: list[Row]) -> list[Row]:
    """Rows that two engines can be compared by: JSON as values, no clocks."""
    found = []
    for row in rows:
        kept = {name: row[name] for name in row.keys() - CLOCKS - PARTITIONS}
        for name in JSON & kept.keys():
            kept[name] = kept[name] and json.loads(kept[name])
        found.append(dict(sorted(kept.items())))
    # Figures come last: two engines may sum them in another order.
    return sorted(
        found,
        key=lambda row: [
            str(value) for value in row.values() if not isinstance(value, float)
        ],
    )


def is_same(one: object, other: object) -> bool:
    """Whether two cells hold the same; sums to 1e-9, of them or where they cancel."""
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other
