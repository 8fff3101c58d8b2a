"""`tallybook check`: exit status, what is printed and written, whom it waits for."""

import builtins
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from mutations import bring_back_a_forgotten_person
from rich.console import Console
from simulated import answers, change
from typer.testing import CliRunner

from extract.forgotten import LIST
from quality.annotations import annotations
from quality.check import Checked
from quality.junit import junit
from quality.results import Cell, Result
from tallybook import cli
from tallybook.check_screen import show
from tallybook.lock import RunningError, between_ticks, turn
from tallybook.say import Say

HOLD = """
import sys
from pathlib import Path
from tallybook.lock import only_run, turn
with only_run(Path(sys.argv[1]), "run --every 60s"):
    if sys.argv[2] == "ticks":
        with turn(Path(sys.argv[1]), lambda: False):
            print("held", flush=True)
            sys.stdin.read()
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a clean warehouse."""
    monkeypatch.setenv("TALLYBOOK_HOME", str(copy.parent))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return copy.parent


def ask(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["check", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@contextmanager
def living(home: Path, does: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like `run --every`, in a tick or between two."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home), does],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_clean_warehouse_is_status_0_and_is_noted(home: Path) -> None:
    status, told, _ = ask("--json")

    answer = json.loads(told)["check"]
    assert status == 0
    assert answer["status"] in ("passed", "warned")
    kept = answers(
        home / "warehouse.duckdb",
        "select check_name, status, compared from quality.check_results order by 1",
    )
    assert kept == sorted(
        (one["name"], one["status"], one["compared"]) for one in answer["results"]
    )
    assert json.loads((home / "reports" / "check.json").read_bytes()) == answer
    assert not (home / "reports" / "data_docs").exists()


def test_a_cell_that_differs_is_status_1_and_shown_with_its_raw_rows(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(
        home / "warehouse.duckdb",
        "update marts.fct_reporting_rollups set count = count + 41 where rowid = 0",
    )
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("COLUMNS", "80")

    status, told, _ = ask("--junit", str(tmp_path / "junit.xml"))

    assert status == 1
    assert "+41" in told
    assert "select * from raw.app_reporting_events where" in told
    assert "\n::error title=tallybook check%3A rollups::1 of " in told
    assert [
        line
        for line in told.splitlines()
        if len(line) > 80 and not line.strip().startswith(("select ", "::"))
    ] == []
    (failure,) = ET.parse(tmp_path / "junit.xml").iterfind(".//failure")  # noqa: S314 - our own
    assert "account_id=" in str(failure.text)
    assert "difference +41" in str(failure.text)
    kept = answers(
        home / "warehouse.duckdb",
        "select status, differing from quality.check_results"
        " where check_name = 'rollups'",
    )
    assert kept == [("failed", 1)]


def test_a_forgotten_person_who_is_back_is_an_error_that_does_not_name_them(
    home: Path,
) -> None:
    bring_back_a_forgotten_person(home)

    status, told, _ = ask("--json")

    assert status == 1
    (failed,) = (
        result
        for result in json.loads(told)["check"]["results"]
        if result["status"] == "failed"
    )
    assert failed["name"] == "forgotten"
    recipients = answers(
        home / "warehouse.duckdb",
        "select distinct member_email from raw.app_email_recipients",
    )
    assert not [address for (address,) in recipients if str(address) in told]
    tables = {cell["where"]["table"] for cell in failed["cells"]}
    assert tables >= {"app_email_recipients", "mailgun_events"}
    for cell in failed["cells"]:
        assert len(answers(home / "warehouse.duckdb", cell["rows"])) == 1


def test_a_list_of_the_forgotten_that_nobody_can_read_is_status_2(home: Path) -> None:
    (home / LIST).write_text("{")

    status, _, told = ask()

    assert status == 2
    assert "list of the forgotten" in told


def test_without_a_warehouse_it_is_status_2_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path))

    status, _, told = ask()

    assert status == 2
    assert "There is no warehouse yet" in told
    assert "tallybook build" in told


def test_what_no_build_has_taken_is_status_2(home: Path) -> None:
    change(
        home / "warehouse.duckdb",
        "insert into raw._dlt_loads values ('99', 'mailgun', 0, now(), 'x')",
    )

    status, _, told = ask()

    assert status == 2
    assert "1 loads arrived that no build has taken yet" in told
    assert "tallybook build" in told


def test_without_its_extra_it_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def lacking(name: str, *rest: Any) -> Any:
        if name == "quality.check":
            raise ModuleNotFoundError("none", name="great_expectations")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacking)
    status, _, told = ask()

    assert (home.exists(), status) == (True, 2)
    assert "needs great_expectations" in told
    assert "pip install 'tallybook[check]'" in told


def test_it_takes_its_turn_between_two_ticks(home: Path) -> None:
    with living(home, "waits"), between_ticks(home, "check", 0.1):
        with turn(home, lambda: True) as is_mine:
            assert not is_mine
        code = (
            "import sys; from pathlib import Path; from tallybook.lock import turn\n"
            "asked = iter([False, False, True])\n"
            "with turn(Path(sys.argv[1]), lambda: next(asked)) as mine: print(mine)"
        )
        tick = subprocess.run(
            [sys.executable, "-c", code, str(home)],
            capture_output=True,
            text=True,
            check=True,
        )
    assert tick.stdout == "False\n", "a tick waits until the check is done"


def test_it_does_not_wait_for_a_tick_for_ever(home: Path) -> None:
    with (
        living(home, "ticks") as other,
        pytest.raises(RunningError, match=f"process {other.pid}"),
        between_ticks(home, "check", 0.1),
    ):
        pass


def made_up() -> Checked:
    """Results of each kind."""
    cell = Cell(
        {"account_id": 'a"<&\x00'},
        "count",
        "1",
        "2",
        1.0,
        "select 1",
    )
    mild = Cell({"table": "t"}, "x", "50%\nor less", "60%", severity="warn")
    results = [Result(name, "edge", "All is well") for name in "abcd"]
    for result, cells in zip(results, ([cell], [mild], [mild, cell], []), strict=True):
        for one in cells:
            result.add(one)
    results.append(Result("e", "recount", "Nothing").skip("no rows"))
    return Checked(datetime(2026, 3, 1, tzinfo=UTC), tuple(results))


def shown(width: int, *cells: Cell) -> str:
    """What a screen of this width shows of them, and of a check with these cells."""
    checked = made_up()
    for cell in cells:
        checked.results[-2].add(cell)
    console = Console(file=StringIO(), width=width, highlight=False)
    show(Say(console), checked)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_what_fits_no_table_is_told_in_lines() -> None:
    empty = Cell({"account_id": ""}, "count", "1", "2", 1.0)
    wide, narrow = shown(120, empty), shown(44, empty)

    assert " account_id " in wide
    assert "    account_id ''\n      count: expected 1, actual 2 (+1)\n" in narrow
    assert max(map(len, narrow.splitlines())) <= 44


def test_cells_of_each_grain_and_empty_texts_are_shown() -> None:
    told = shown(120)

    after = told.partition("c: All is well")[2]
    assert " table " in after
    assert " account_id " in after
    assert "no rows" in told


def test_junit_has_a_case_for_each_check(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_bytes(junit(made_up()))

    root = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own

    assert [suite.get("tests") for suite in root] == ["4", "1"]
    assert [suite.get("failures") for suite in root] == ["2", "0"]
    assert [case.get("name") for case in root.iter("testcase")] == list("abcde")
    kinds = [[child.tag for child in case] for case in root.iter("testcase")]
    assert kinds == [["failure"], ["system-out"], ["failure"], [], ["skipped"]]


def test_annotations_are_one_line_each_and_only_where_somebody_shows_them() -> None:
    assert list(annotations(made_up(), {})) == []

    lines = list(annotations(made_up(), {"GITHUB_ACTIONS": "true"}))

    assert [line.partition(" ")[0] for line in lines] == [
        "::error",
        "::warning",
        "::error",
    ]
    assert not [line for line in lines if "\n" in line]
    assert "50%25%0Aor less" in lines[1]


def test_the_worst_result_is_the_status_of_all() -> None:
    statuses = [result.status for result in made_up().results]

    assert statuses == ["failed", "warned", "failed", "passed", "skipped"]
    assert made_up().status == "failed"
    assert Checked(made_up().began_at, made_up().results[1:2]).status == "warned"
    assert os.environ.get("GX_ANALYTICS_ENABLED") == "false"
