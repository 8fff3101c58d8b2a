"""The tally: how many cells were checked, and how many of them differ.

marts.ops_reconciliation ──▶ the build's own recount, of the rows that are published
reports/check.json ─────────▶ the third route, of the warehouse when it last ran
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from tallybook.report.published import Published
from tallybook.report.sections import Part, Section
from tallybook.report.tables import Table, count, day, left_out, number, status, words

_SHOWN = 20

_CHECKS = {
    "rollups": "Rollups: counts and sums of each day",
    "cross_footing": "Agents and inboxes against their account",
    "handoff_conversations": "Conversations handed over",
    "conversation_outcomes": "Outcomes of conversations",
}
_UNPLACED = {
    "left_out": "Without an agent or inbox",
    "without_zone": "Of accounts without a valid time zone",
    "without_day": "At instants that no day holds",
    "without_account": "Of nobody's account",
}

_COMPARED = """
select
    check_name,
    count(*) as cells,
    count(*) filter (where status = 'ok') as agree,
    count(*) filter (where status = 'zone_data_differs') as by_zone_data,
    count(*) filter (where status in ('differs', 'missing', 'extra')) as differ
from marts.ops_reconciliation
where check_name in ('rollups', 'cross_footing', 'handoff_conversations',
    'conversation_outcomes')
group by check_name
order by cells desc, check_name
"""

_DIFFERING = """
select account_id, date, dimension_type || ' ' || dimension_id as dimension,
    metric || '.' || measure as cell, expected, actual, status
from marts.ops_reconciliation
where status in ('differs', 'missing', 'extra')
order by abs(difference) desc, account_id, date, dimension, cell
limit ?
"""

_ONLY_COUNTED = """
select check_name, metric, sum(expected) as events
from marts.ops_reconciliation
where check_name in ('left_out', 'without_zone', 'without_day', 'without_account')
    and dimension_type <> 'inbox'
group by check_name, metric
order by check_name, metric
"""


@dataclass(frozen=True)
class Tally:
    """What the recounts found.

    Attributes:
        rows: Of the build's own: check, cells, agreeing, differing by zone data,
            differing.
        checked: What `tallybook check` last found; None if it never ran.
    """

    rows: list[tuple[str, int, int, int, int]]
    checked: "Checked | None"

    @property
    def compared(self) -> int:
        """Cells that the build compared."""
        return sum(row[1] for row in self.rows)

    @property
    def differing(self) -> int:
        """Those that differ, though zone data can't be the reason."""
        return sum(row[4] for row in self.rows)


class Checked(msgspec.Struct):
    """What is left of a `tallybook check`.

    Attributes:
        began_at: When it began.
        status: passed, warned or failed.
        compared: Cells that it compared.
        differing: Those that differed, by little or by much.
    """

    began_at: datetime
    status: str
    compared: int
    differing: int


def tally(published: Published) -> Tally:
    """Adds it up."""
    rows = [tuple(row.values()) for row in published.rows(_COMPARED)]
    return Tally(rows, _last_check(published.home / "reports" / "check.json"))


def section(published: Published, found: Tally) -> Section:
    """The first section of the page."""
    tables = []
    if found.rows:
        totals = [sum(column) for column in list(zip(*found.rows, strict=True))[1:]]
        tables.append(
            Table(
                "tally",
                "Cells that were counted once more from the raw events",
                (
                    words("What"),
                    count("Cells"),
                    count("Agree"),
                    count("Zone data"),
                    count("Differ"),
                ),
                [(_CHECKS.get(name, name), *rest) for name, *rest in found.rows],
                total=("All", *totals),
            )
        )
    if found.differing:
        rows = [tuple(row.values()) for row in published.rows(_DIFFERING, [_SHOWN])]
        tables.append(
            Table(
                "differing",
                "Cells that differ, the greatest differences first",
                (
                    words("Account"),
                    day("Day"),
                    words("Of"),
                    words("Cell"),
                    number("Expected"),
                    number("Actual"),
                    status("How"),
                ),
                rows,
                note=left_out(len(rows), found.differing, "cells"),
                stacks=True,
            )
        )
    unplaced = published.rows(_ONLY_COUNTED)
    if unplaced:
        tables.append(
            Table(
                "unplaced",
                "Events that some daily rows can't hold, counted so that none is lost",
                (words("Events"), words("Metric"), count("Number")),
                [
                    (_UNPLACED[row["check_name"]], row["metric"], row["events"])
                    for row in unplaced
                ],
                is_long=True,
            )
        )
    return Section("tally", "Does it tally?", "", [Part(items=tables)])


def _last_check(path: Path) -> Checked | None:
    """What the last `tallybook check` left, if it left something readable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checked)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
