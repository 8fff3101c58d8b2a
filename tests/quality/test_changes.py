"""What a change of the models does to the marts is shown, and nothing else."""

from pathlib import Path

import duckdb
import pytest

from quality.changes import changes

DAYS = """
create table marts.fct_days as
select 'acc_1' as account_id, date '2026-03-08' as date, 23 as events, 'UTC' as zone,
    now() as rebuilt_at
"""


def published(path: Path, *statements: str) -> Path:
    with duckdb.connect(path) as con:
        for statement in ("create schema marts", DAYS, *statements):
            con.execute(statement)
    return path


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return published(tmp_path / "before.duckdb")


def test_the_same_rows_written_at_another_time_are_no_change(
    before: Path, tmp_path: Path
) -> None:
    after = published(
        tmp_path / "after.duckdb", "update marts.fct_days set rebuilt_at = null"
    )

    assert list(changes(before, after))[1:] == ["No row differs."]


def test_a_row_that_differs_is_shown_before_and_after_with_its_key(
    before: Path, tmp_path: Path
) -> None:
    after = published(
        tmp_path / "after.duckdb", "update marts.fct_days set events = 24"
    )

    assert "\n".join(changes(before, after)).partition("####")[2].splitlines() == [
        " fct_days",
        "",
        "1 rows before, 1 after.",
        "",
        "|  | account_id | date | events |",
        "|---|---|---|---|",
        "| - | acc_1 | 2026-03-08 | 23 |",
        "| + | acc_1 | 2026-03-08 | 24 |",
    ]


def test_marts_and_columns_that_come_or_go_are_named(
    before: Path, tmp_path: Path
) -> None:
    after = published(
        tmp_path / "after.duckdb",
        "alter table marts.fct_days rename column zone to timezone",
        "create table marts.dim_new as select 1 as one",
        "create table marts.ops_lag as select now() as at",
    )

    told = "\n".join(changes(before, after))

    assert (
        "0 rows before, 0 after. Columns that are gone: zone. New columns: timezone."
        in told
    )
    assert "#### dim_new\n\nIt is new." in told
    assert "ops_lag" not in told


def test_what_somebody_wrote_breaks_no_table(before: Path, tmp_path: Path) -> None:
    after = published(
        tmp_path / "after.duckdb",
        "update marts.fct_days"
        " set account_id = '<img onerror>|' || chr(10) || repeat('x', 99)",
    )

    (line,) = [line for line in changes(before, after) if line.startswith("| +")]

    assert "| &lt;img onerror&gt;&#124; xxx" in line
    assert line.count("|") == 4
