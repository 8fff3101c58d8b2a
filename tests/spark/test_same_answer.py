"""Every mart holds the same cells on DuckDB, on a Spark cluster and for the oracle.

```
                     ┌─▶ dbt on DuckDB ─▶ marts ─┐
one set of raw rows ─┼─▶ dbt on Spark ──▶ marts ─┼─▶ the same
                     └─▶ oracle.py ─────▶ marts ─┘
```

First all is built, then what came later: late events, an account that moved to another
zone, rows that were deleted. In the end nothing new comes, and nothing is written.
"""

import json
from collections.abc import Iterator
from math import isclose
from typing import Any

import pytest
from cluster import standalone
from crowd import Crowd, load_the_rest
from on_spark import OnSpark
from oracle import differences, seed
from proof import show
from replay import Replay, by_grain
from warehouse import MARTS, Warehouse

Row = dict[str, Any]

CLOCKS = {"rebuilt_at", "checked_at", "age_seconds"}
"""When something was written or asked, which no two builds share."""

PARTITIONS = {"occurred_on", "created_on"}
"""Columns that only Spark's files have."""

NOT_TOUCHED = {"dim_time_zone_days", "int_email_recipients__derived"}
"""Nothing comes for these after the first build."""

JSON = {"tags", "user_variables"}


class Both:
    """One warehouse, built by both engines.

    Attributes:
        replay: DuckDB's side, and what the oracle knows.
        spark: Spark's side.
    """

    def __init__(self, replay: Replay, spark: OnSpark) -> None:
        """Names them."""
        self.replay = replay
        self.spark = spark

    def marts(self) -> list[str]:
        """The names of all that lies in `marts`."""
        found = self.replay.warehouse.rows(
            "select table_name from information_schema.tables"
            " where table_schema = 'marts' order by all"
        )
        return [row["table_name"] for row in found]


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """What happens."""
    return Crowd(1)


@pytest.fixture(scope="module")
def both(crowd: Crowd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both engines, with nothing loaded."""
    home = tmp_path_factory.mktemp("spark")
    warehouse = Warehouse(home / "home")
    replay = Replay(warehouse, crowd.days)
    replay.known.vocabulary = seed("event_vocabulary")
    with standalone(home) as master:
        spark = OnSpark(warehouse, home / "lake", master)
        try:
            yield Both(replay, spark)
        finally:
            spark.stop()


def test_first_builds_and_later_ones_give_the_same_cells(
    both: Both, crowd: Crowd
) -> None:
    for number, load in enumerate(crowd.loads):
        both.replay.write(load, committed=True)
        load_the_rest(both.replay.warehouse, number)
        build(both, tests=number > 0)
        show(both.replay, f"load {number} on DuckDB")
        assert_same(both)
        assert_as_the_oracle_says(both)
    known = builds(both)
    later = {build["model"]: build["mode"] for build in known}
    assert {model for model, mode in later.items() if mode == "whole"} == NOT_TOUCHED

    both.spark.run("run-operation", "compact_ledger")
    both.spark.build(*ALWAYS, *NO_DATA_TESTS, *MARTS_AND_LISTS)
    assert [b for b in builds(both)[len(known) :] if b["written"]] == []


ALWAYS = ("--exclude-resource-type", "unit_test")
NO_DATA_TESTS = ("--exclude-resource-type", "test")
MARTS_AND_LISTS = (
    "--select",
    "config.materialized:touched_groups",
    "config.materialized:touched_list",
)


def build(both: Both, *, tests: bool) -> None:
    """Builds by both engines; with dbt's data tests on Spark, if asked to."""
    assert both.replay.warehouse.build().success
    both.spark.build(*ALWAYS, *(() if tests else NO_DATA_TESTS))


def assert_same(both: Both) -> None:
    """Fails if a cell of any mart differs between the engines."""
    found = {}
    for mart in both.marts():
        query = f"select * from marts.{mart}"  # noqa: S608 - our own names
        ours = in_order(both.replay.warehouse.rows(query))
        theirs = in_order(both.spark.rows(query))
        assert ours, f"nothing is in {mart}"
        if cells := differing_cells(ours, theirs):
            found[mart] = cells[:5]
    assert not found


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


def assert_as_the_oracle_says(both: Both) -> None:
    """Fails if a cell of Spark's isn't what the oracle works out."""
    held = {
        mart: by_grain(
            mart,
            [
                {name: row[name] for name in row.keys() - PARTITIONS}
                for row in both.spark.rows(f"select * from marts.{mart}")  # noqa: S608
            ],
        )
        for mart in MARTS
    }
    assert differences(both.replay.expected(), held) == []


def builds(both: Both) -> list[Row]:
    """What Spark did to each model, by build."""
    return both.spark.rows(
        "select model, mode, rows_added + rows_removed as written"
        " from ledger.builds order by change_number"
    )
