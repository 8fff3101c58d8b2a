"""Staging on Spark says of the same raw rows what it says on DuckDB."""

import pytest
from both_engines import Both
from cells import differing_cells, in_order
from warehouse import ROOT

OWN = "stg_ledger__loads"
"""In what order an engine saw the loads, which is its own affair."""

VIEWS = sorted({file.stem for file in (ROOT / "models/staging").rglob("*.sql")} - {OWN})


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_holds_the_same_rows_on_both_engines(both: Both, view: str) -> None:
    """Cell by cell, and names and order of the columns."""
    query = f"select * from staging.{view}"  # noqa: S608 - our own names
    ours = both.replay.warehouse.rows(query)
    theirs = both.spark.rows(query)

    assert ours
    assert list(theirs[0]) == list(ours[0])
    assert differing_cells(in_order(ours), in_order(theirs)) == []
