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

COMMANDS = [
    *("demo", "extract", "build", "check", "run", "status", "publish", "doctor"),
    *("serve", "report", "forget", "backfill", "dead-letters"),
]


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
    for text in (overview, page):
        assert "..." not in text.partition("Commands:")[2]
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
    [
        *(["no-such"], ["build", "--no-such"], ["extract", "no-such"]),
        ["serve", "--port", "65536"],
    ],
)
def test_what_cannot_be_asked_is_status_2(words: list[str]) -> None:
    status, _, told = ask(*words)

    assert status == 2
    assert "no-such" in told or "--port" in told


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


@pytest.mark.parametrize("command", ["schedule", "status", "cancel"])
def test_every_page_of_help_of_backfills_fits_the_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, page, _ = ask("backfill", command, "--help")

    assert status == 0
    assert max(map(len, page.splitlines())) <= 80


def test_a_backfill_is_asked_for_looked_at_and_cancelled_while_no_run_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-09T12:00:00Z")
    assert (
        "no backfill of mailgun was asked for"
        in ask("backfill", "status", "mailgun")[2]
    )

    status, out, _ = ask("backfill", "schedule", "mailgun", "--since", "2026-03-01")
    assert status == 0
    assert "from 2026-03-01 00:00:00 to 2026-03-09 11:59:00 waits for the next" in out
    told = json.loads(ask("backfill", "status", "mailgun", "--json")[1])
    assert told["backfill"]["state"] == "waiting"
    assert told["backfill"]["begin"] == "2026-03-01T00:00:00+00:00"
    assert told["backfill"]["cursor"] == "2026-03-01T00:00:00+00:00"
    assert ask("backfill", "cancel", "mailgun")[0] == 0
    assert "was cancelled" in ask("backfill", "status", "mailgun")[1]
    assert ask("backfill", "cancel", "mailgun")[0] == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ses", "--since", "2026-03-01"], "the polled sources are mailgun"),
        (["mailgun", "--since", "yesterday"], "neither a date nor an instant"),
        (["mailgun", "--since", "2026-03-02", "--until", "2026-03-02"], "is empty"),
        (["mailgun", "--since", "2999-01-01"], "is empty"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(words: list[str], told: str) -> None:
    status, _, error = ask("backfill", "schedule", *words)

    assert status == 2
    assert told in error


def test_a_run_that_is_to_go_on_needs_a_time() -> None:
    status, _, told = ask("run", "--every", "now")

    assert status == 2
    assert "write one like 60s, 5m or 1h" in told


def test_a_time_without_its_unit_is_refused() -> None:
    status, _, told = ask("run", "--every", "5")

    assert status == 2
    assert "write 5s, 5m or 5h" in told
