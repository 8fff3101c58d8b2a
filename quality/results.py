"""What a check found: how many cells it compared, and which of them differ."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

Severity = Literal["error", "warn"]
Status = Literal["passed", "warned", "failed", "skipped"]

Value: TypeAlias = str | int | float | bool | None
Row: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[Value, ...]

KEPT = 50
"""Differing cells that a result keeps; of the rest only their number."""

ABSENT = "no row"
"""What a side says that doesn't have the row at all."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cell:
    """One number or word that is not what it should be.

    Attributes:
        where: The row: names and values of its grain.
        column: What differs in it.
        expected: What the raw rows say.
        actual: What is there.
        difference: actual - expected, where both are numbers; of instants, in seconds.
        rows: A SELECT, to run in the warehouse, of the raw rows behind it.
        severity: What differs only a little may only warn.
    """

    where: dict[str, str]
    column: str
    expected: str
    actual: str
    difference: float | None = None
    rows: str = ""
    severity: Severity = "error"


@dataclass
class Result:
    """One check.

    Attributes:
        name: Its name, stable: trends and JUnit go by it.
        group: edge, recount or operations.
        title: What it says, as a sentence that holds when it passes.
        route: By which route it is checked.
        compared: Cells, or rows, that were compared.
        differing: Those that are not as they should be, of either severity.
        errors: Those of them that are errors.
        cells: The first of them.
        note: What else is to be said.
        seconds: How long it took.
    """

    name: str
    group: str
    title: str
    route: str = ""
    compared: int = 0
    differing: int = 0
    errors: int = 0
    cells: list[Cell] = field(default_factory=list)
    note: str = ""
    seconds: float = 0.0
    skipped: bool = False

    @property
    def status(self) -> Status:
        """How it ended."""
        if self.skipped:
            return "skipped"
        if self.errors:
            return "failed"
        return "warned" if self.differing else "passed"

    def add(self, cell: Cell) -> None:
        """Takes in a cell that differs."""
        self.differing += 1
        if cell.severity == "error":
            self.errors += 1
        if len(self.cells) < KEPT:
            self.cells.append(cell)

    def skip(self, why: str) -> "Result":
        """Says why there was nothing to check."""
        self.skipped = True
        self.note = why
        return self


def differences(
    expected: Mapping[Key, Row], actual: Mapping[Key, Row], grain: tuple[str, ...]
) -> Iterator[Cell]:
    """The cells in which two tables differ, row by row.

    Args:
        expected: Rows by grain; their columns are those that are compared.
        actual: Rows by grain.
        grain: Names of the grain's columns.
    """
    for key in sorted(set(expected) | set(actual), key=repr):
        where = _grain(grain, key)
        should, does = expected.get(key), actual.get(key)
        if should is None or does is None:
            yield Cell(
                where,
                "row",
                ABSENT if should is None else "a row",
                ABSENT if does is None else "a row",
            )
            continue
        for column, value in should.items():
            if not same(value, does[column]):
                yield Cell(
                    where,
                    column,
                    shown(column, value),
                    shown(column, does[column]),
                    difference(column, value, does[column]),
                )


def keyed(
    rows: Iterable[Mapping[str, Any]], grain: tuple[str, ...], result: Result
) -> dict[Key, dict[str, Any]]:
    """A mart's rows by their grain; a row that is there twice is a cell that differs.

    Args:
        rows: All of their columns are compared, but those of the grain.
        grain: Names of the grain's columns.
        result: Takes in the doubles.
    """
    found: dict[Key, dict[str, Any]] = {}
    for row in rows:
        rest = dict(row)
        key = tuple(rest.pop(column) for column in grain)
        if key in found:
            where = _grain(grain, key)
            result.add(Cell(where, "row", "one row", "more than one"))
        found[key] = rest
    return found


def same(expected: Value, actual: Value) -> bool:
    """Whether two values agree; sums do to 1e-9 of the greater one."""
    if expected == actual:
        return True
    if isinstance(expected, float) and isinstance(actual, int | float):
        # Where a sum cancels out its parts' rounding is left: 1e-9 s is nothing.
        return abs(expected - actual) <= 1e-9 * max(abs(expected), abs(actual), 1.0)
    return False


def difference(column: str, expected: Value, actual: Value) -> float | None:
    """How much more there is than expected, if both are numbers; in seconds of time."""
    numbers = (int, float)
    if isinstance(expected, bool) or isinstance(actual, bool):
        return None
    if isinstance(expected, numbers) and isinstance(actual, numbers):
        return float(actual - expected) / (1e6 if column.endswith("_at") else 1.0)
    return None


def shown(column: str, value: Value) -> str:
    """A value as people read it; instants are kept as microseconds."""
    if value is None:
        return "null"
    if column.endswith("_at") and isinstance(value, int):
        return instant(value).isoformat(sep=" ")
    return legible(str(value))


def legible(text: str) -> str:
    """A text, quoted where it would be overlooked or taken for none at all."""
    return text if text == text.strip() != "" else repr(text)


def _grain(grain: tuple[str, ...], key: Key) -> dict[str, str]:
    """Where a row is; as it stands there, since the SELECTs behind it use that."""
    parts = ("null" if part is None else str(part) for part in key)
    return dict(zip(grain, parts, strict=True))


def instant(microseconds: int) -> datetime:
    """The instant that lies so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)
