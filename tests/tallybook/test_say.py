"""What a person reads."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from extract.pipeline import Outcome, Progress
from tallybook.builds import Build, Finding, Rebuilt, RebuiltDays
from tallybook.catch_up import Table
from tallybook.publish import Publication
from tallybook.say import Say, counted, lasting

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUILD = Build(
    "id",
    NOON,
    2.04,
    models=33,
    passed=1,
    skipped=0,
    warnings=(
        Finding("few_strays", "test", "Got 3 results, configured to warn if >2", 3),
    ),
    failures=(),
    errors=(),
    rebuilt=(
        Rebuilt("int_things", "touched", "", 3, 3, 3, None, None),
        Rebuilt(
            "fct_days", "touched", "", 2, 1, 1_200, date(2026, 3, 1), date(2026, 3, 2)
        ),
        Rebuilt("fct_status", "whole", "first build", None, 0, 1, None, None),
    ),
)


class Said:
    """A console that remembers, as a file or as a terminal."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.file = StringIO()
        console = Console(
            file=self.file, width=60 if terminal else 1_000, force_terminal=terminal
        )
        self.say = Say(console)

    @property
    def lines(self) -> list[str]:
        return self.file.getvalue().splitlines()


def on_screen(written: str) -> list[str]:
    """What a terminal shows in the end of what was written to it."""
    lines, row = [""], 0
    for word in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\n|\r)", written):
        if word == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif word == "\x1b[1A":
            row -= 1
        elif word == "\x1b[2K":
            lines[row] = ""
        elif word and not word.startswith(("\x1b", "\r")):
            lines[row] += word
    return [line.rstrip() for line in lines if line.strip()]


def test_each_source_is_one_line() -> None:
    said = Said()
    said.say.extracted(
        [
            Outcome(
                "mailgun", "a.example", "latest", NOON, NOON, NOON, 9, 1_234, 34, 1
            ),
            Outcome("app", outcome="skipped", message="app is skipped: set X"),
            Outcome(
                "mailgun",
                "b.example",
                "latest",
                outcome="failed",
                message="no [answer]",
            ),
        ]
    )
    assert said.lines == [
        "✓ mailgun a.example  1,234 new, 34 repeated, 1 dead letter, "
        "through 2026-03-01 12:00:00",
        "- app  app is skipped: set X",
        "✗ mailgun b.example  nothing new: no [answer]",
    ]


def test_a_build_says_which_days_of_which_account_it_built_and_why() -> None:
    days = date(2026, 3, 1), date(2026, 3, 2)
    by_account = (
        RebuiltDays("acme", 2, *days, "changed events, new events"),
        RebuiltDays("bolt", 1, days[0], days[0], "asked for"),
        *(RebuiltDays(f"c{n}", 1, days[0], days[0], "new events") for n in range(7)),
    )
    cells = Rebuilt("fct_cells", "touched", "", 10, 1, 2, *days, by_account)
    said = Said()
    said.say.built(replace(BUILD, rebuilt=(cells,)))

    lines = [line.strip() for line in said.lines]
    assert (
        lines[1] == "fct_cells  10 days touched: +2 -1 rows  2026-03-01 to 2026-03-02"
    )
    assert lines[2] == (
        "acme: 2 days, 2026-03-01 to 2026-03-02 (changed events, new events)"
    )
    assert lines[3] == "bolt: 1 day, 2026-03-01 (asked for)"
    assert lines[10] == "and of 1 more account"


def test_a_build_says_which_groups_and_days_and_why() -> None:
    said = Said()
    said.say.built(BUILD)

    assert said.lines == [
        "✓ built 33 models in 2.0 s",
        "    fct_days    2 groups touched: +1,200 -1 rows  2026-03-01 to 2026-03-02",
        "    fct_status  whole, 1 row (first build)",
        "! 1 test passed, 1 warned",
        "  ! few_strays: 3 rows. configured to warn if >2",
    ]


def test_a_publication_says_how_much_was_written_and_where() -> None:
    said = Said()
    tables = (Table("a", "whole", 3), Table("b", "changes", 4))
    said.say.published(Publication(Path("/x/analytics.duckdb"), NOON, tables, 7, 0.21))

    assert said.lines == [
        "✓ published 7 rows in 0.2 s (1 table whole): /x/analytics.duckdb"
    ]


def test_on_a_terminal_long_lines_hang_and_bars_leave_nothing_behind() -> None:
    said = Said(terminal=True)
    for step in (1, 2):
        for domain in ("a.example", "b.example", "c.example"):
            said.say.extracting(Progress("mailgun", domain, step, NOON, NOON, NOON))
        said.say.extracted([Outcome("app", message=f"step {step} " + "long " * 20)])
    seen = on_screen(said.file.getvalue())

    assert "2 events" in said.file.getvalue()
    assert [line for line in seen if "step" in line] == [
        "✓ app  nothing new: step 1 long long long long long long",
        "✓ app  nothing new: step 2 long long long long long long",
    ]
    assert seen[1].startswith("  long")
    assert not [line for line in seen if "events" in line]


def test_a_quiet_console_says_nothing() -> None:
    file = StringIO()
    say = Say(Console(file=file, quiet=True, force_terminal=True))
    say.extracting(Progress("app", None, 1, None, None, None))
    say.built(BUILD)

    assert file.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (900_000, "10 days")],
)
def test_time_is_as_exact_as_anybody_needs(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_one_is_not_many() -> None:
    assert (counted(1, "row"), counted(0, "row")) == ("1 row", "0 rows")
