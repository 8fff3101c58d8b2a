"""All checks in one call.

warehouse ──▶ recount ──▶ the forgotten ──▶ edge ──▶ operations ──▶ results
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quality.edge import Edges, edges, operations
from quality.forgotten import Naming, check_forgotten
from quality.offline_docs import write_docs
from quality.recount.all import recount
from quality.results import Result, Status
from quality.thresholds import thresholds
from quality.warehouse import UnreadableError, Warehouse, opened

MARTS = (
    "fct_message_events",
    "fct_unmatched_events",
    "fct_recipient_status",
    "fct_email_performance",
    "fct_email_outcomes",
    "fct_notification_performance",
    "fct_suppressions",
    "dim_members",
    "fct_client_events_daily",
    "fct_delivery_daily",
    "fct_reporting_events",
    "fct_reporting_rollups",
    "fct_handoff_conversations",
    "fct_conversation_outcomes",
    "ops_reconciliation",
    "ops_completeness",
    "ops_freshness",
    "ops_lanes",
)
"""What the checks read."""


@dataclass(frozen=True)
class Checked:
    """What came of a check.

    Attributes:
        began_at: When it began.
        results: One for each check.
        docs: The first page of Data Docs, if they were asked for.
    """

    began_at: datetime
    results: tuple[Result, ...]
    docs: Path | None = None

    @property
    def status(self) -> Status:
        """The worst of all."""
        found = {result.status for result in self.results}
        worst: tuple[Status, ...] = ("failed", "warned", "passed")
        return next((status for status in worst if status in found), "skipped")

    @property
    def compared(self) -> int:
        """Cells that were compared."""
        return sum(result.compared for result in self.results)

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values, for programs."""
        return {
            "began_at": self.began_at.isoformat(),
            "status": self.status,
            "compared": self.compared,
            "differing": sum(result.differing for result in self.results),
            "docs": None if self.docs is None else str(self.docs),
            "results": [
                {**asdict(result), "status": result.status} for result in self.results
            ],
        }


def check(
    path: Path,
    docs: Path | None = None,
    on_progress: Callable[[str], None] = print,
    names_one: Naming | None = None,
) -> Checked:
    """Checks a warehouse, all of it.

    Args:
        path: The DuckDB file; it is only read.
        docs: The folder to write Data Docs to; None for none.
        on_progress: Told what is being checked.
        names_one: Whether a text names somebody who was forgotten; None if nobody was.

    Raises:
        UnreadableError: It can't be checked as it is.
    """
    began_at = datetime.now(UTC)
    with opened(path) as warehouse:
        ready(warehouse)
        limits = thresholds(warehouse)
        results = recount(warehouse, on_progress)
        on_progress("forgotten")
        results.append(check_forgotten(warehouse, names_one))
        validated = Edges()
        for group, suites in (
            ("edge", edges(warehouse, limits)),
            ("operations", operations(warehouse, limits)),
        ):
            for suite in suites:
                on_progress(suite.name)
                results.append(validated.run(suite, group))
    page = write_docs(validated.context, docs) if docs else None
    return Checked(began_at, tuple(results), page)


def ready(warehouse: Warehouse) -> None:
    """Makes sure that the marts are made of what raw holds.

    Raises:
        UnreadableError: They aren't there, or something arrived since.
    """
    missing = [name for name in MARTS if not warehouse.has("marts", name)]
    if missing:
        raise UnreadableError(
            f"marts.{missing[0]} isn't built yet: run `tallybook build` first"
        )
    waiting = warehouse.one(
        "select count(distinct load_id) from warehouse.raw._dlt_loads"
        " where status = 0"
        " and load_id not in (select load_id from warehouse.ledger.loads)"
    )
    if waiting:
        raise UnreadableError(
            f"{waiting} loads arrived that no build has taken yet, so the marts can't "
            "agree with raw: run `tallybook build` first"
        )
