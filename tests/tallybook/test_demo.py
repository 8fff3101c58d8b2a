"""`tallybook demo`, as a newcomer meets it."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import psutil
import pytest

from extract.home import ROOT
from tallybook.cli import Exit
from tallybook.demo import QUESTIONS
from tests.parsed import plant

SCRIPT = Path(sys.executable).with_name("tallybook")

PAGE = re.findall(
    r"^### (.+)\n(?:(?!### ).*\n)*?```sql\n([^`]+)```\n\n((?:\|.*\n)+)",
    (ROOT / "docs" / "questions.md").read_text(),
    re.MULTILINE,
)
"""Question, SELECT and answer, one after the other."""


@pytest.fixture(scope="module")
def shown(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """The demo, run once, on a machine whose user has settings of their own."""
    home = tmp_path_factory.mktemp("demo")
    own = {"SOURCES__MAILGUN__MAX_EVENTS": "1", "TALLYBOOK_HOME": str(home)}
    ran = subprocess.run(
        [SCRIPT, "demo"],
        env=os.environ | own,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    return home, ran


Shown = tuple[Path, "subprocess.CompletedProcess[str]"]


def test_it_needs_no_settings_and_ends_well(shown: Shown) -> None:
    _, ran = shown

    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


def test_it_answers_three_questions_each_with_its_select(shown: Shown) -> None:
    home, ran = shown
    with duckdb.connect(home / "published" / "analytics.duckdb", read_only=True) as con:
        for question, sql in QUESTIONS.items():
            assert question in ran.stdout
            assert sql.splitlines()[-1] in ran.stdout
            rows = con.execute(sql).fetchall()
            assert len(rows) > 1
            assert str(rows[0][0]) in ran.stdout


@pytest.mark.parametrize(("sql", "told"), [pytest.param(*q, id=t) for t, *q in PAGE])
def test_the_page_of_questions_tells_the_demos_answer(
    shown: Shown, sql: str, told: str
) -> None:
    home, _ = shown
    with duckdb.connect(home / "published" / "analytics.duckdb", read_only=True) as con:
        found = con.execute("set TimeZone = 'UTC'").execute(sql)
        rows = [[name for name, *_ in found.description or []], *found.fetchall()]

    heads, _, *answers = [line[2:-2].split(" | ") for line in told.splitlines()]
    assert [["" if cell is None else f"{cell}" for cell in row] for row in rows] == [
        heads,
        *answers,
    ]


def test_every_question_is_asked_and_the_readme_names_their_page() -> None:
    text = (ROOT / "docs" / "questions.md").read_text()

    assert len(PAGE) == text.count("\n### ") >= 20
    assert "](docs/questions.md)" in (ROOT / "README.md").read_text()


def test_it_ends_with_the_report(shown: Shown) -> None:
    home, ran = shown
    page = home / "reports" / "report.html"

    assert "cells checked, none differs" in page.read_text()
    assert str(page) in ran.stdout.partition("Look further")[0]
    assert "open reports/report.html" in ran.stdout, "as seen from where one stands"


def test_the_second_run_rebuilds_only_what_is_touched(shown: Shown) -> None:
    first, _, second = shown[1].stdout.partition("The next run")

    assert "  whole, " in first
    assert "(first build)" in first
    assert "touched" not in first
    assert "groups touched" in second
    assert "  whole, " not in second  # as a line of the build says it


def test_what_sendgrid_posted_came_through_the_door_and_is_told_first(
    shown: Shown,
) -> None:
    home, ran = shown
    posted = [
        int(count.replace(",", ""))
        for count in re.findall(
            r"✓ door sendgrid  ([\d,]+) events in \d+ signed batches", ran.stdout
        )
    ]
    with duckdb.connect(home / "published" / "analytics.duckdb", read_only=True) as con:
        counts = con.execute(next(iter(QUESTIONS.values()))).fetchall()
    assert [provider for provider, *_ in counts] == ["mailgun", "sendgrid"]
    assert len(posted) == 2
    assert min(posted) > 0
    assert counts[1][1] == sum(posted)


def started_for(home: Path) -> list[str]:
    """Command lines of living processes that have this state folder."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            line = " ".join(each.cmdline())
            if each.environ().get("TALLYBOOK_HOME") == str(home):
                found.append(line)
    return found


def test_the_simulator_and_the_door_end_with_it(shown: Shown) -> None:
    assert started_for(shown[0]) == []


def test_they_end_with_it_when_it_is_ended_early(tmp_path: Path) -> None:
    with subprocess.Popen(
        [SCRIPT, "demo"],
        env=os.environ
        | {"TALLYBOOK_HOME": str(plant(tmp_path)), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "First run" in line:
                break
        assert len(started_for(tmp_path)) >= 3
        process.terminate()
        process.communicate()
    assert process.returncode != 0
    assert started_for(tmp_path) == []


def test_it_never_begins_on_top_of_a_real_warehouse(tmp_path: Path) -> None:
    duckdb.connect(tmp_path / "warehouse.duckdb").close()
    ran = subprocess.run(
        [SCRIPT, "demo"],
        env=os.environ | {"TALLYBOOK_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == Exit.COULD_NOT_RUN
    assert "holds a warehouse that is not the demo's" in ran.stderr
    assert (tmp_path / "warehouse.duckdb").exists()
