"""`tallybook check`: runs the checks of `quality`, and says what they found.

run lock, or a pause between ticks ──▶ quality.check ──▶ table, JUnit, annotations
                                          ╰──▶ quality.check_results, reports/
"""
# ruff: noqa: PLC0415 - Great Expectations takes four seconds to import.

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich import box
from rich.markup import escape
from rich.table import Table

from tallybook.errors import CannotRunError
from tallybook.files import replace_file
from tallybook.say import BAD, GOOD, IDLE, MIND, Say, counted

if TYPE_CHECKING:
    from quality.check import Checked
    from quality.results import Result

_SHOWN = 5
"""Differing cells of a check on the screen."""

_MARKS = {"passed": GOOD, "warned": MIND, "failed": BAD, "skipped": IDLE}


def check(
    home: Path, say: Say, *, with_docs: bool = False, report: Path | None = None
) -> "Checked":
    """Checks the warehouse, and keeps what was found; the caller has it to itself.

    Args:
        home: The state folder.
        say: Tells how it goes.
        with_docs: Whether to write Data Docs to `reports/data_docs`.
        report: Where to write JUnit XML to.

    Returns:
        The results.

    Raises:
        CannotRunError: The extra `check` isn't installed, or the warehouse can't be
            checked as it is.
    """
    try:
        import quality.check
    except ImportError as error:
        raise CannotRunError(
            f"`tallybook check` needs {error.name}, which isn't installed.",
            "Install it with pip install 'tallybook[check]' (in the repository: "
            "pip install -c constraints.txt -e '.[check]').",
        ) from error
    from quality.history import keep
    from quality.junit import junit
    from quality.warehouse import UnreadableError

    warehouse = home / "warehouse.duckdb"
    docs = home / "reports" / "data_docs" if with_docs else None
    try:
        checked = quality.check.check(warehouse, docs, say.checking)
        keep(warehouse, checked)
    except UnreadableError as error:
        problem, _, advice = str(error).partition(": ")
        raise CannotRunError(_sentence(problem), _sentence(advice)) from error
    say.end()
    (home / "reports").mkdir(exist_ok=True)
    replace_file(
        home / "reports" / "check.json", msgspec.json.encode(checked.as_json())
    )
    if report:
        replace_file(report, junit(checked))
    return checked


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def show(say: Say, checked: "Checked") -> None:
    """What was found: one line for each check, and the first cells that differ."""
    from quality.annotations import annotations

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("")
    table.add_column("check")
    for name in ("compared", "differ", "s"):
        table.add_column(name, justify="right")
    table.add_column("")
    for result in checked.results:
        table.add_row(
            _MARKS[result.status],
            result.name,
            f"{result.compared:,}",
            f"{result.differing:,}" if result.differing else "",
            f"{result.seconds:.1f}",
            escape(result.note or result.title),
        )
    say.console.print(table)
    for result in checked.results:
        if result.cells:
            _show_cells(say, result)
    differing = sum(result.differing for result in checked.results)
    say.line(
        f"{counted(len(checked.results), 'check')}, "
        f"{counted(checked.compared, 'cell')} compared, "
        + (f"{differing:,} differ" if differing else "all agree"),
        _MARKS[checked.status],
    )
    if checked.docs:
        say.line(f"Data Docs: {escape(str(checked.docs))}", " ")
    for line in annotations(checked, os.environ):
        # As it is: whoever reads it looks for the line's beginning.
        say.console.out(line, highlight=False)


def _show_cells(say: Say, result: "Result") -> None:
    """The first cells of a check that differ, and the raw rows behind the first."""
    say.line(f"[bold]{escape(result.name)}[/]", _MARKS[result.status])
    cells = result.cells[:_SHOWN]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in (*cells[0].where, "column"):
        table.add_column(escape(name), overflow="fold")
    for name in ("expected", "actual", "difference"):
        table.add_column(name, justify="right", overflow="fold")
    for cell in cells:
        if cell.where.keys() != cells[0].where.keys():
            continue
        by = "" if cell.difference is None else f"{cell.difference:+,.10g}"
        texts = (*cell.where.values(), cell.column, cell.expected, cell.actual, by)
        table.add_row(*map(escape, texts))
    say.console.print(table)
    if result.differing > len(cells):
        say.line(f"and {result.differing - len(cells):,} more", " ", indent=2)
    if cells[0].rows:
        say.line("the raw rows behind the first one:", " ", indent=2)
        say.console.print(escape(f"    {cells[0].rows}"), soft_wrap=True)
