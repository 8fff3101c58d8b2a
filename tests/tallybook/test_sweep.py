"""`tallybook extract app --sweep`, asked as people and programs ask it."""

import json
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from extract.forgotten import Forgotten
from tallybook import cli

SWEEP = ("extract", "app", "--sweep", "--since", "2026-01-01", "--until", "2026-02-01")


class Application:
    """A folder with conversation events of January."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def write(self, *days: int, table: str = "reporting_events") -> None:
        lines = [f"{day},1,x,2026-01-{day:02}T00:00:00Z\n" for day in days]
        header = "event_id,account_id,name,created_at\n"
        (self.folder / f"{table}.csv").write_text("".join([header, *lines]))


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOURCES__APP__LOCATION", str(tmp_path / "app"))
    application = Application(tmp_path / "app")
    application.write(1, 2, 3)
    assert ask("extract", "app")[0] == 0
    return application


def ask(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, words)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def deleted(home: Path) -> list[str]:
    with duckdb.connect(str(home / "home" / "warehouse.duckdb")) as warehouse:
        found = warehouse.execute(
            "select event_id from raw.app_reporting_events"
            " where deleted_at is not null order by 1"
        ).fetchall()
    return [key for (key,) in found]


def test_a_person_reads_what_was_compared_and_gone_by_table(
    application: Application, tmp_path: Path
) -> None:
    application.write(1, 3)
    status, said, _ = ask(*SWEEP)

    assert status == 0
    assert "✓ reporting_events  3 rows compared, 1 gone\n" in said
    assert "- members  " in said
    assert "has no members: nothing of it was compared" in said
    assert deleted(tmp_path) == ["2"]
    application.write(1, 2, 3)
    assert "2 rows compared, 0 gone, 1 back again\n" in ask(*SWEEP)[1]
    assert deleted(tmp_path) == []


def test_a_program_reads_the_same_as_json(application: Application) -> None:
    application.write(1, 3)
    status, said, _ = ask(*SWEEP, "--json")

    answer = json.loads(said)
    assert answer["exit_status"] == status == 0
    assert [each["table"] for each in answer["sweep"]] == [
        "accounts",
        "emails",
        "email_batches",
        "email_recipients",
        "members",
        "notifications",
        "reporting_events",
    ]
    assert answer["sweep"][-1] == {
        "table": "reporting_events",
        "compared": 3,
        "gone": 1,
        "deleted": 0,
        "back": 0,
        "outcome": "ok",
        "message": "",
    }


@pytest.mark.parametrize(
    ("since", "until", "gone"),
    [
        ("2026-01-02", "2026-01-03", ["2"]),
        ("2026-01-01T00:00:00.000001Z", "2026-01-03T00:00:00+01:00", ["2"]),
        ("2026-01-01T23:00:00-01:00", "2026-01-03T01:00+01:00", ["2"]),
        ("2026-01-02", "2026-01-03T00:00:00.000001Z", ["2", "3"]),
    ],
)
def test_a_date_is_its_midnight_in_utc_and_until_is_not_in_it(
    application: Application, tmp_path: Path, since: str, until: str, gone: list[str]
) -> None:
    application.write(9)
    status, _, _ = ask("extract", "app", "--sweep", "--since", since, "--until", until)

    assert status == 0
    assert deleted(tmp_path) == gone


def test_an_emptied_table_is_status_2_and_stays_until_it_is_asked_for(
    application: Application, tmp_path: Path
) -> None:
    application.write()
    status, said, _ = ask(*SWEEP)

    assert status == 2
    assert "✗ reporting_events  reporting_events is empty in" in said
    assert deleted(tmp_path) == []
    assert ask(*SWEEP, "--even-many")[0] == 0
    assert deleted(tmp_path) == ["1", "2", "3"]


def test_an_application_without_any_table_is_status_2(
    application: Application, tmp_path: Path
) -> None:
    (application.folder / "reporting_events.csv").unlink()
    status, _, told = ask(*SWEEP)

    assert status == 2
    assert "none of the tables" in told
    assert "SOURCES__APP__LOCATION" in told
    assert deleted(tmp_path) == []


def test_an_application_that_is_out_of_reach_is_status_2_and_marks_nothing(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for location in (tmp_path / "nowhere", "postgresql+psycopg://x:y@127.0.0.1:1/z"):
        monkeypatch.setenv("SOURCES__APP__LOCATION", str(location))
        status, said, _ = ask(*SWEEP, "--json")

        answer = json.loads(said)
        assert answer["exit_status"] == status == 2
        assert "SOURCES__APP__LOCATION" in answer["problem"]
        assert answer["advice"] == "Nothing was marked."
    assert application.folder.is_dir()
    assert deleted(tmp_path) == []


def test_a_file_that_can_not_be_read_is_status_2_and_says_why(
    application: Application,
) -> None:
    (application.folder / "accounts.csv").write_text("account_id,name\n1,x,y\n")
    assert ask("extract", "app")[0] == 2
    (application.folder / "accounts.csv").write_text("name\n")
    status, _, told = ask(*SWEEP)

    assert status == 2
    assert "accounts in" in told
    assert "Nothing was marked." in told


def test_without_an_application_there_is_nothing_to_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("SOURCES__APP__LOCATION", raising=False)
    status, _, told = ask(*SWEEP)

    assert status == 2
    assert "set SOURCES__APP__LOCATION" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (SWEEP[:1] + SWEEP[2:], "with app alone"),
        (("extract", "mailgun", *SWEEP[2:]), "with app alone"),
        (("extract", "app", "mailgun", *SWEEP[2:]), "with app alone"),
        ((*SWEEP, "--all"), "belong together"),
        (SWEEP[:5], "belong together"),
        (SWEEP[:3], "belong together"),
        (("extract", "app", "--since", "2026-01-01"), "belong together"),
        (("extract", "app", "--even-many"), "belong together"),
        ((*SWEEP[:4], "2026-01-32", *SWEEP[5:]), "--since 2026-01-32 is neither"),
        ((*SWEEP[:6], "2026-02-01T12:00"), "--until 2026-02-01T12:00 is neither"),
        ((*SWEEP[:4], "0001-01-01T00:00+14:00", *SWEEP[5:]), "is neither"),
        ((*SWEEP[:6], "2026-01-01"), "is not after --since 2026-01-01"),
    ],
)
def test_what_can_not_be_swept_is_told_with_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "home"))
    status, said, told = ask(*words)

    assert (status, said) == (2, "")
    assert says in told
    assert "2026-" in told
    # A typing error is no trouble of the warehouse's, and leaves nothing behind.
    assert not (tmp_path / "home").exists()


def test_whoever_was_forgotten_is_not_taken_for_gone_while_they_are_there(
    application: Application, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    Forgotten().and_(["ann@example.com"], ["1"]).write(home)
    members = application.folder / "members.csv"
    theirs = [
        "1,a,ann@example.com,2026-01-01T00:00:00Z\n",
        "3,a,Ann@example.com,2026-01-03T00:00:00Z\n",
    ]
    bob = "2,a,bob@example.com,2026-01-02T00:00:00Z\n"
    header = "member_id,account_id,email,created_at\n"
    members.write_text("".join([header, *theirs, bob]))
    assert ask("extract", "app")[0] == 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        [(known,)] = warehouse.execute(
            "select count(*) from raw.app_members where email like 'ann@%'"
        ).fetchall()
        assert known == 0

    assert "members  3 rows compared, 0 gone\n" in ask(*SWEEP)[1]

    members.write_text("".join([header, theirs[1], bob]))
    assert "members  3 rows compared, 1 gone\n" in ask(*SWEEP)[1]
