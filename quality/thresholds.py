"""The limits of what is still good, from the seed `quality_thresholds`.

Each row says beside its numbers why they are what they are. The models that judge
freshness and completeness read the same rows.
"""

from dataclasses import dataclass

from quality.results import Severity
from quality.warehouse import UnreadableError, Warehouse


@dataclass(frozen=True)
class Threshold:
    """A row of the seed.

    Attributes:
        warn_above: What is more is worth a look; None: never.
        error_above: What is more is an error; None: never.
        unit: Of both.
        reason: Why these numbers.
    """

    warn_above: float | None
    error_above: float | None
    unit: str
    reason: str

    def severity(self, value: float) -> Severity | None:
        """How bad a value is; None if it is good."""
        if self.error_above is not None and value > self.error_above:
            return "error"
        if self.warn_above is not None and value > self.warn_above:
            return "warn"
        return None


class Thresholds:
    """All rows, by check and subject."""

    def __init__(self, rows: dict[tuple[str, str], Threshold]) -> None:
        """Takes the rows."""
        self._rows = rows

    def __getitem__(self, key: tuple[str, str]) -> Threshold:
        """A row that the checks can't do without.

        Raises:
            UnreadableError: Somebody has removed it.
        """
        if key not in self._rows:
            raise UnreadableError(
                f"seeds/quality_thresholds.csv has no row {', '.join(key)}: put it back"
                " (without limits if it shall never warn) and run `tallybook build`"
            )
        return self._rows[key]

    def of(self, check: str) -> dict[str, Threshold]:
        """A check's rows by subject."""
        return {
            subject: row for (name, subject), row in self._rows.items() if name == check
        }


def thresholds(warehouse: Warehouse) -> Thresholds:
    """The rows that the warehouse was built with.

    Raises:
        UnreadableError: It was built by a version that had none.
    """
    if not warehouse.has("seeds", "quality_thresholds"):
        raise UnreadableError(
            "the warehouse was built before there were thresholds: run "
            "`tallybook build` first"
        )
    return Thresholds(
        {
            (row["check_name"], row["subject"]): Threshold(
                row["warn_above"], row["error_above"], row["unit"], row["reason"]
            )
            for row in warehouse.rows(
                "select * from warehouse.seeds.quality_thresholds"
            )
        }
    )
