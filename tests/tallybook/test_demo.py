"""`tallybook demo`, as a newcomer meets it."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import psutil
import pytest

from tallybook.cli import Exit
from tallybook.demo import QUESTIONS

SCRIPT = Path(sys.executable).with_name("tallybook")


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


def test_the_second_run_rebuilds_only_what_is_touched(shown: Shown) -> None:
    first, _, second = shown[1].stdout.partition("The next run")

    assert "  whole, " in first
    assert "(first build)" in first
    assert "touched" not in first
    assert "groups touched" in second
    assert "  whole, " not in second  # as a line of the build says it


def test_the_simulator_ends_with_it(shown: Shown) -> None:
    home, _ = shown
    folder = str(home / "application")
    processes = [
        " ".join(each.info["cmdline"] or [])
        for each in psutil.process_iter(["cmdline"])
    ]

    assert [line for line in processes if folder in line] == []


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
