"""The command line: exit status, JSON, words instead of tracebacks, and its pace."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_lock import held_by_another
from typer.testing import CliRunner

from tallybook import cli
from tallybook.errors import CannotRunError

COMMANDS = ["demo", "extract", "build", "run", "status", "publish", "doctor"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("TALLYBOOK_NOW", raising=False)
    return tmp_path


def ask(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, words)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", ["80", "120"])
def test_every_page_of_help_fits_the_terminal(
    command: str, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    _, overview, _ = ask("--help")
    status, page, _ = ask(command, "--help")

    assert status == 0
    assert f"\n  {command} " in overview
    assert "..." not in overview.partition("Commands:")[2]
    assert max(map(len, (overview + page).splitlines())) <= int(width)


def test_help_does_not_wait_for_dlt_and_dbt() -> None:
    heavy = "{'dlt', 'dbt', 'duckdb', 'sqlalchemy', 'pyarrow'}"
    code = f"import sys, tallybook.cli; print({heavy} & set(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout == "set()\n"


@pytest.mark.parametrize(
    "words",
    [["no-such"], ["build", "--no-such"], ["extract", "no-such"]],
)
def test_what_cannot_be_asked_is_status_2(words: list[str]) -> None:
    status, _, told = ask(*words)

    assert status == 2
    assert "no-such" in told


def test_while_another_run_is_at_work_it_says_who_and_does_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallybook.lock.only_run.__wrapped__.__defaults__", (0.1,))
    with held_by_another(home) as other:
        status, out, told = ask("extract")

    assert (status, out) == (2, "")
    assert f"process {other.pid}" in told


def test_a_program_gets_problems_as_json_too() -> None:
    status, out, _ = ask("status", "--json")

    assert status == 2
    answer = json.loads(out)
    assert answer["exit_status"] == 2
    assert "Nothing has been run yet" in answer["problem"]
    assert "tallybook demo" in answer["advice"]


def test_a_home_that_is_no_folder_is_said_in_words(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("TALLYBOOK_HOME", str(home / "file"))
    status, _, told = ask("status")

    assert status == 2
    assert "TALLYBOOK_HOME" in told


def test_a_full_disk_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/data/home/x")

    monkeypatch.setattr("tallybook.status.status", full)
    status, _, told = ask("status")

    assert status == 2
    assert "No space left on device at /data/home/x" in told
    assert "Make room" in told


def test_a_build_that_failed_is_published_only_when_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_status import a_build

    from tallybook.builds import Finding, note

    def published(*_: object) -> None:
        raise CannotRunError("it went on to publish")

    monkeypatch.setattr("tallybook.build.Dbt.manifest", published)
    note(home, a_build(failures=(Finding("a_promise", "test", "Got 1 result", 1),)))
    assert "did not pass its checks" in ask("publish")[2]
    assert "it went on to publish" in ask("publish", "--anyway")[2]
