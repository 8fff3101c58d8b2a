"""Tables of the page: which columns they have, and how a value is written."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import compress
from typing import Any

from tallybook import say

LONGEST = 140
"""Characters of a text; a subject can be as long as its sender likes."""

NOTHING = "-"
"""What stands where there is no value."""

_END = re.compile(r"(?<=[.@_/])(?=\w)|(?<=\S{24})(?=\S)")
"""Where a line may end within a word."""

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

    @property
    def pieces(self) -> list[str]:
        """The text, cut where a line may end: domains and addresses have no spaces."""
        return _END.split(self.text)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be read in it."""
        return self.text == NOTHING


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: What stands above it.
        show: Writes a value; never gets None.
        kind: n for numbers, t for texts, at for instants and dates.
    """

    title: str
    show: Callable[[Any], Cell]
    kind: str = "n"


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
        stacks: Whether a phone shows its rows as blocks, since it is too wide.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    total: Sequence[Any] = ()
    note: str = ""
    is_long: bool = False
    stacks: bool = False

    def cells(
        self, row: Sequence[Any], nothing: str = NOTHING
    ) -> Iterator[tuple[Column, Cell]]:
        """A row's cells, each with its column."""
        for column, value in zip(self.columns, row, strict=True):
            yield column, Cell(nothing) if value is None else column.show(value)

    def without_empty(self) -> "Table":
        """The same without columns that have a value in no row."""
        kept = [
            any(value not in (None, "") for value in column)
            for column in zip(*self.rows, strict=True)
        ]
        if not self.rows:
            return self
        return replace(
            self,
            columns=list(compress(self.columns, kept)),
            rows=[list(compress(row, kept)) for row in self.rows],
        )


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
    return Column(title, lambda value: Cell(clean(str(value)) or NOTHING), "t")


def count(title: str) -> Column:
    """A column of whole numbers."""
    return Column(title, lambda value: Cell(f"{value:,.0f}"))


def count_or_word(title: str) -> Column:
    """A column of whole numbers, or of why there is none."""
    return Column(
        title, lambda value: Cell(value if isinstance(value, str) else f"{value:,.0f}")
    )


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
        "t",
    )


def number(title: str) -> Column:
    """A column of numbers that need not be whole."""
    return Column(title, lambda value: Cell(f"{value:,.10g}"))


def lasting(title: str) -> Column:
    """A column of stretches of time, in seconds."""
    return Column(title, lambda value: Cell(say.lasting(value)))


def day_and_hours(title: str) -> Column:
    """A column of dates; a day on which the clocks changed says how long it was."""
    return Column(title, _day, "at")


def instant(title: str) -> Column:
    """A column of instants, in UTC."""
    return Column(title, lambda at: Cell(_minute(at)), "at")


def day(title: str) -> Column:
    """A column of dates."""
    return Column(title, lambda value: Cell(_date(value)), "at")


def status(title: str) -> Column:
    """A column of words that say whether something is well."""
    return Column(title, _status, "t")


def _status(value: str) -> Cell:
    tone = _TONES.get(value, "mind")
    return Cell(f"{_MARKS[tone]} {value.replace('_', ' ')}", tone)


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _day(both: tuple[date, float]) -> Cell:
    date, hours = both
    if hours == 24:
        return Cell(_date(date))
    return Cell(_date(date), "mind", f"{hours:g} hours")


def _date(value: date) -> str:
    return f"{value:%a %Y-%m-%d}"
