"""Every mart holds the same cells on DuckDB, on a Spark cluster and for the oracle.

```
                     ┌─▶ dbt on DuckDB ─▶ marts ─┐
one set of raw rows ─┼─▶ dbt on Spark ──▶ marts ─┼─▶ the same
                     └─▶ oracle.py ─────▶ marts ─┘
```

First all is built, then what came later: late events, an account that moved to another
zone, rows that were deleted. In the end nothing new comes, and nothing is written.
"""

from typing import Any

from both_engines import NO_DATA_TESTS, NO_UNIT_TESTS, Both
from cells import PARTITIONS, differing_cells, in_order
from crowd import Crowd
from oracle import differences
from replay import by_grain
from warehouse import MARTS

Row = dict[str, Any]

NOT_TOUCHED = {"dim_time_zone_days", "int_email_recipients__derived"}
"""Nothing comes for these after the first build."""


def test_first_builds_and_later_ones_give_the_same_cells(
    both: Both, crowd: Crowd
) -> None:
    assert_same(both)
    assert_as_the_oracle_says(both)
    both.load(1, crowd, tests=True)
    assert_same(both)
    assert_as_the_oracle_says(both)
    known = builds(both)
    later = {build["model"]: build["mode"] for build in known}
    assert {model for model, mode in later.items() if mode == "whole"} == NOT_TOUCHED

    both.spark.run("run-operation", "compact_ledger")
    both.spark.build(*NO_UNIT_TESTS, *NO_DATA_TESTS, *MARTS_AND_LISTS)
    assert [b for b in builds(both)[len(known) :] if b["written"]] == []


MARTS_AND_LISTS = (
    "--select",
    "config.materialized:touched_groups",
    "config.materialized:touched_list",
)


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
