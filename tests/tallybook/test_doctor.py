"""What is missing or wrong, and what to do."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from tallybook import doctor
from tallybook.doctor import Finding, examine


class Usage(NamedTuple):
    """What shutil says of a disk."""

    free: int


Find = Callable[[str], list[Finding]]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    """The findings about one thing, on a machine where nothing is set."""
    for name in list(os.environ):
        if name.startswith(("SOURCES__", "TALLYBOOK_", "COLLECTOR__")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path))
    monkeypatch.setattr("extract.settings.ROOT", tmp_path)
    monkeypatch.setattr("collector.settings.ROOT", tmp_path)
    monkeypatch.setattr("tallybook.doctor.ROOT", tmp_path)
    return lambda what: [finding for finding in examine() if finding.what == what]


def test_without_settings_nothing_is_wrong_and_it_says_what_to_set(find: Find) -> None:
    (mailgun,) = find("mailgun")

    assert mailgun.state == "mind"
    assert "SOURCES__MAILGUN__API_KEY" in mailgun.message
    assert all(finding.state != "bad" for finding in examine())


def test_a_misspelt_variable_is_found(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__APIKEY", "key")
    (settings,) = (one for one in find("settings") if one.state == "mind")

    assert settings.advice == "Did you mean SOURCES__MAILGUN__API_KEY?"


def test_the_door_is_told_open_closed_or_wrong(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [one.state for one in find("door")] == ["good"]
    monkeypatch.setenv("COLLECTOR__SECRETS", '{"a": "postmark", "b": "sendgrid"}')
    assert [one.state for one in find("door")] == ["mind", "good"]
    monkeypatch.setenv("COLLECTOR__SENDGRID_PUBLIC_KEYS", "no key")
    assert [one.state for one in find("door")] == ["bad"]


def test_which_clients_may_send_is_told_and_where_a_wrong_setting_is_explained(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR__ALLOWED_PROPERTIES", '{"clicked": ["where"]}')
    (told,) = find("clients")
    assert told.message == (
        "no page may send events; apps need no key, and only this machine's may (set "
        "COLLECTOR__CLIENT_KEYS for others); properties of 1 event are kept"
    )
    monkeypatch.setenv("COLLECTOR__ALLOWED_ORIGINS", "https://app.example.com")
    monkeypatch.setenv("COLLECTOR__CLIENT_KEYS", "one,two")
    (told,) = find("clients")
    assert told.message.startswith("pages of 1 origin and apps with one of 2 keys may")
    monkeypatch.setenv("COLLECTOR__ALLOWED_ORIGINS", "app.example.com")
    (wrong,) = find("door")
    assert wrong.advice == "See docs/client-events.md."
    monkeypatch.delenv("COLLECTOR__ALLOWED_ORIGINS")
    monkeypatch.setenv("COLLECTOR__CLIENT_KEYS", "[no list")
    (wrong,) = find("door")
    assert wrong.advice == "See docs/client-events.md."


def test_a_provider_that_posts_and_is_not_polled_is_told_apart(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR__SECRETS", '{"a": "mailgun:d.example"}')
    monkeypatch.setenv("COLLECTOR__MAILGUN_SIGNING_KEYS", '["key"]')
    (mailgun,) = find("mailgun")

    assert mailgun.state == "mind"
    assert "its webhook is open" in mailgun.message
    assert "SOURCES__MAILGUN__API_KEY" in mailgun.advice


def test_a_fixed_clock_is_pointed_out(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-01T00:00:00Z")
    assert find("clock")[0].state == "mind"
    monkeypatch.setenv("TALLYBOOK_NOW", "yesterday")
    assert find("clock")[0].state == "bad"


def test_a_broken_settings_file_is_found(find: Find, tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("[sources\n")

    assert find("settings")[0].state == "bad"


def test_secrets_that_others_can_read_are_found(find: Find, tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    secrets = tmp_path / ".dlt" / "secrets.toml"
    secrets.write_text("")
    secrets.chmod(0o644)
    assert "chmod 600" in find("settings")[-1].advice
    secrets.chmod(0o600)
    assert find("settings")[-1].state == "good"


def test_a_setting_that_makes_no_sense_is_named(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", "key")
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "not a domain")
    (mailgun,) = find("mailgun")

    assert mailgun.state == "bad"
    assert "SOURCES__MAILGUN__DOMAINS" in mailgun.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOURCES__INBOX__KEEP_DAYS", "-3"),
        ("SOURCES__INBOX__ACCOUNT_PROPERTY", 'a"b'),
        ("SOURCES__SENDGRID__TIMEZONE", "Berlin"),
    ],
)
def test_a_wrong_setting_of_what_is_received_is_named(
    find: Find, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert find("inbox") == []
    monkeypatch.setenv(name, value)
    (inbox,) = find("inbox")

    assert inbox.state == "bad"
    assert name in inbox.message


def test_a_provider_that_does_not_answer_is_named_for_each_domain(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", "key")
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "a.example,b.example")
    monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", "http://127.0.0.1:1")
    findings = find("mailgun")

    assert [finding.state for finding in findings] == ["bad", "bad"]
    assert "a.example" in findings[0].message


@pytest.mark.parametrize(
    ("free", "state"), [(2**33, "good"), (2**29, "mind"), (2**20, "bad")]
)
def test_a_disk_that_fills_up_is_found(
    find: Find, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(free))

    assert find("state folder")[0].state == state


def test_a_home_that_cannot_be_made_is_found(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "file" / "home"))

    assert find("state folder")[0].state == "bad"


def test_a_home_that_cannot_be_written_is_found_and_not_looked_into(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refused)

    assert "Read-only file system" in find("state folder")[0].message
    assert find("warehouse") == []


def test_a_warehouse_that_is_broken_or_held_open_is_found(
    find: Find, tmp_path: Path
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    assert find("warehouse")[0].state == "good"
    duckdb.connect(warehouse).close()
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True);"
    with subprocess.Popen(
        [sys.executable, "-c", hold + "sys.stdin.read()", str(warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert "another process" in find("warehouse")[0].message
        holder.kill()
    warehouse.write_bytes(b"no database at all" * 1_000)
    (broken,) = find("warehouse")
    assert broken.state == "bad"
    assert "can't be opened" in broken.message


def test_a_published_file_that_is_not_ours_is_found(find: Find, tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    duckdb.connect(tmp_path / "published" / "analytics.duckdb").close()

    assert find("published file")[0].state == "bad"


def test_an_application_that_is_not_there_is_found(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find("application")[0].state == "good"
    monkeypatch.setenv("SOURCES__APP__LOCATION", str(tmp_path / "nowhere"))
    assert find("application")[0].state == "bad"
    (tmp_path / "nowhere").mkdir()
    assert "has none of our tables" in find("application")[0].message
    (tmp_path / "nowhere" / "emails.csv").write_text("email_id\n1\n")
    assert find("application")[0].message.endswith("nowhere: emails")


def test_a_query_that_fails_is_what_is_to_be_mended(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as con:
        con.execute("create table members (id)")
    monkeypatch.setenv("SOURCES__APP__LOCATION", f"sqlite:///{tmp_path / 'app.db'}")
    monkeypatch.setenv("SOURCES__APP__MEMBERS__QUERY", "select id from nowhere")
    (application,) = find("application")

    told = f"{application.message} {application.advice}"
    assert "no such table: nowhere. Check SOURCES__APP__MEMBERS__QUERY." in told
    assert "LOCATION" not in told


def test_a_package_of_the_wrong_version_is_found(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["duckdb==0.1.0", "no-such-package", "pytest<1; extra == 'dev'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: asked)
    messages = [finding.message for finding in find("package")]

    assert len(messages) == 2
    assert "and ==0.1.0 is needed" in messages[0]
    assert "no-such-package is missing" in messages[1]
