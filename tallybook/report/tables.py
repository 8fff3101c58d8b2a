"""Tables of the page: which columns they have, and how a value is written."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tallybook import say

LONGEST = 140
"""Characters of a text; a subject can be as long as its sender likes."""

NOTHING = "–"
"""What stands where there is no value."""

_TONES = {
    "ok": "good",
    "fresh": "good",
    "complete": "good",
    "caught up": "good",
    "error": "bad",
    "failed": "bad",
    "differs": "bad",
    "missing": "bad",
    "extra": "bad",
}
_MARKS = {"good": "✓", "mind": "!", "bad": "✗"}


@dataclass(frozen=True)
class Cell:
    """A value as it is read.

    Attributes:
        text: In words or figures; not yet escaped.
        tone: good, mind or bad; empty for most.
        beside: What is said in smaller letters.
    """

    text: str
    tone: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: What stands above it.
        show: Writes a value; never gets None.
        is_number: Whether it is aligned by its digits.
    """

    title: str
    show: Callable[[Any], Cell]
    is_number: bool = True


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its id in the page, by which tests and people find it.
        caption: What it shows.
        columns: Its columns; the first one names the row.
        rows: Values, in the order of the columns.
        total: A last row of sums, if it has any.
        note: What is left out of it.
        is_long: Whether it is folded away until somebody asks.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    total: Sequence[Any] = ()
    note: str = ""
    is_long: bool = False

    def cells(self, row: Sequence[Any]) -> Iterator[tuple[Column, Cell]]:
        """A row's cells, each with its column."""
        for column, value in zip(self.columns, row, strict=True):
            yield column, Cell(NOTHING) if value is None else column.show(value)


def clean(text: str, longest: int = LONGEST) -> str:
    """A text that fits, without characters that no page can hold."""
    text = "".join(
        "\ufffd" if unicodedata.category(letter) in ("Cc", "Cs") else letter
        for letter in text[: longest + 1]
    )
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def left_out(shown: int, of: int, things: str) -> str:
    """How many are not shown; empty when all are."""
    return f"{of - shown:,} more {things} are left out." if of > shown else ""


def words(title: str) -> Column:
    """A column of texts."""
    return Column(title, lambda value: Cell(clean(str(value)) or NOTHING), False)


def count(title: str) -> Column:
    """A column of whole numbers."""
    return Column(title, lambda value: Cell(f"{value:,.0f}"))


def more(title: str) -> Column:
    """A column of differences, which ought to be 0."""
    return Column(
        title,
        lambda value: Cell(f"{value:+,.10g}" if value else "0", "mind" * bool(value)),
    )


def share(title: str) -> Column:
    """A column of shares from 0 to 1."""
    return Column(title, lambda value: Cell(_percent(value)))


def count_and_share(title: str) -> Column:
    """A column of numbers, each with the share that it is."""
    return Column(title, lambda both: Cell(f"{both[0]:,}", beside=_percent(both[1])))


def words_and_more(title: str) -> Column:
    """A column of texts, each with something else about the row."""
    return Column(
        title,
        lambda both: Cell(clean(both[0]), beside=clean(both[1])),
        is_number=False,
    )


def number(title: str) -> Column:
    """A column of numbers that need not be whole."""
    return Column(title, lambda value: Cell(f"{value:,.10g}"))


def lasting(title: str) -> Column:
    """A column of stretches of time, in seconds."""
    return Column(title, lambda value: Cell(say.lasting(value)))


def hours(title: str) -> Column:
    """A column of days' lengths; those where the clock changed stand out."""
    return Column(title, lambda h: Cell(f"{h:g} h", "mind" * (h != 24)))


def instant(title: str) -> Column:
    """A column of instants, in UTC."""
    return Column(title, lambda at: Cell(_minute(at)), False)


def day(title: str) -> Column:
    """A column of dates."""
    return Column(title, lambda value: Cell(_date(value)), False)


def status(title: str) -> Column:
    """A column of words that say whether something is well."""
    return Column(title, _status, False)


def _status(value: str) -> Cell:
    tone = _TONES.get(value, "mind")
    return Cell(f"{_MARKS[tone]} {value.replace('_', ' ')}", tone)


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _date(value: date) -> str:
    return f"{value:%a %Y-%m-%d}"
