"""What a person reads of a check: a line for each, and the first cells that differ.

A table that doesn't fit the screen is told in lines instead: no number is ever cut.
"""

import os
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from tallybook.say import BAD, GOOD, IDLE, MIND, Say, counted

if TYPE_CHECKING:
    from quality.check import Checked
    from quality.results import Cell, Result

_SHOWN = 5
"""Differing cells of a check on the screen."""

_MARKS = {"passed": GOOD, "warned": MIND, "failed": BAD, "skipped": IDLE}


def show(say: Say, checked: "Checked") -> None:
    """What was found, in as many columns as the screen has room for."""
    from quality.annotations import annotations  # noqa: PLC0415 - only where a check ran

    tables = (_checks(checked, said) for said in (True, False))
    table = next((one for one in tables if _fits(say, one)), None)
    say.console.print(table or _checks(checked, is_said=False))
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


def _checks(checked: "Checked", is_said: bool) -> Table:
    """One line for each check; with what it says, if there is room for that."""
    table = _table()
    table.add_column("")
    table.add_column("check", overflow="fold")
    for name in ("compared", "differ", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    if is_said:
        table.add_column("")
    for result in checked.results:
        is_short = bool(result.note) and not is_said
        row = [
            _MARKS[result.status],
            f"{result.name} ({escape(result.note)})" if is_short else result.name,
            f"{result.compared:,}",
            f"{result.differing:,}" if result.differing else "",
            f"{result.seconds:.1f}",
            escape(result.note or result.title),
        ]
        table.add_row(*row[: len(table.columns)])
    return table


def _show_cells(say: Say, result: "Result") -> None:
    """The first cells of a check that differ, and the raw rows behind the first."""
    say.line(
        f"[bold]{escape(result.name)}[/]: {escape(result.title)}", _MARKS[result.status]
    )
    cells = result.cells[:_SHOWN]
    for names, alike in groupby(cells, lambda cell: tuple(cell.where)):
        _show_alike(say, names, list(alike))
    if result.differing > len(cells):
        say.line(f"and {result.differing - len(cells):,} more", " ", indent=2)
    if cells[0].rows:
        say.line("the raw rows behind the first one:", " ", indent=2)
        say.console.print(escape(f"    {cells[0].rows}"), soft_wrap=True)


def _show_alike(say: Say, names: Sequence[str], cells: "list[Cell]") -> None:
    """Cells of one grain."""
    table = _table()
    # A cell of an expectation tells its column among its names.
    for name in names:
        table.add_column(escape(name))
    table.add_column("what" if "column" in names else "column")
    for name in ("expected", "actual", "difference"):
        table.add_column(name, justify="right")
    for cell in cells:
        table.add_row(*map(escape, _texts(cell)))
    if _fits(say, table):
        say.console.print(table)
        return
    for cell in cells:
        *where, column, expected, actual, by = _texts(cell)
        row = ", ".join(
            f"{name} {value}" for name, value in zip(names, where, strict=True)
        )
        difference = f" ({by})" if by else ""
        told = f"{column}: expected {expected}, actual {actual}{difference}"
        for text, indent in ((row, 4), (told, 6)):
            line = Padding(escape(text), (0, 0, 0, indent), expand=False)
            say.console.print(line)


def _texts(cell: "Cell") -> list[str]:
    from quality.results import legible  # noqa: PLC0415 - only where a check ran

    by = "" if cell.difference is None else f"{cell.difference:+,.10g}"
    where = map(legible, cell.where.values())
    return [*where, cell.column, cell.expected, cell.actual, by]


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)


def _fits(say: Say, table: Table) -> bool:
    """Whether nothing in it has to be broken."""
    needed = Measurement.get(
        say.console, say.console.options.update(width=10_000), table
    )
    return needed.maximum <= say.console.width
