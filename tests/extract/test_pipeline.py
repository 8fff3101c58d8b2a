"""One warehouse, one pipeline: killed, copied, empty, busy, and never doubled."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from killed import COMMITTED, KILLS, READ, die, live
from mailgun_host import NOON, Host, event
from raw_reader import Raw

from extract.home import SettingsError, home, now
from extract.pipeline import (
    KEPT_LOADS,
    NotConfiguredError,
    WarehouseBusyError,
    check_mailgun,
    extract,
)
from extract.tables import TABLES

ALL = (
    "select event_key, payload, request_id, _dlt_load_id from mailgun_events order by 1"
)


def items(count: int) -> list[dict[str, Any]]:
    """Events, a second apart."""
    return [event(f"{n:04}", NOON + n) for n in range(count)]


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
def test_run_that_is_killed_loses_nothing_and_doubles_nothing(
    mailgun: Host, raw: Raw, kill: str
) -> None:
    mailgun.pages(items(300), items(400)[250:])

    die("mailgun", kill)
    extract(["mailgun"])

    assert raw.ids() == [f"{n:04}" for n in range(400)]
    assert raw.row("select sum(events - loaded - repeated - dead) from requests") == (
        0,
    )
    assert raw.row("select sum(loaded) from requests") == (400,)
    assert raw.row("select count(*), count(distinct request_id) from requests") in (
        (4, 4),
        (3, 3),
    )
    assert raw.row("select count(*), count(distinct run_id) from lane_runs") == (3, 3)
    assert raw.rows("select * from dead_letters") == []
    orphans = "select * from mailgun_events anti join _dlt_loads"
    assert raw.rows(f"{orphans} on load_id = _dlt_load_id") == []


def test_the_same_kill_doubles_rows_with_dlts_own_job(mailgun: Host, raw: Raw) -> None:
    # Else the test above would prove nothing.
    mailgun.pages(items(10))
    plain = "destination.AppendOnceJob.run = destination.DuckDbCopyJob.run\n"

    die("mailgun", plain + KILLS[COMMITTED])
    live("mailgun", plain)

    assert raw.row("select count(*) from mailgun_events") == (20,)


def test_packages_of_a_killed_run_are_loaded_before_anything_is_asked_for(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailgun.pages(items(10))
    die("mailgun", KILLS[READ])
    monkeypatch.delenv("SOURCES__MAILGUN__API_KEY")

    [outcome] = extract(["mailgun"])

    assert outcome.outcome == "skipped"
    assert len(raw.ids()) == 10


def test_tables_are_there_before_anything_is_configured(raw: Raw) -> None:
    outcomes = extract()

    told = [(outcome.source, outcome.outcome) for outcome in outcomes]
    assert told == [
        ("app", "skipped"),
        ("mailgun", "skipped"),
        ("inbox", "skipped"),
        ("time_zones", "ok"),
    ]
    assert "SOURCES__MAILGUN__API_KEY" in outcomes[1].message
    assert "SOURCES__MAILGUN__DOMAINS" in outcomes[1].message
    for table in TABLES:
        assert raw.rows(f"select * from {table.name}") == []  # noqa: S608
    assert (
        raw.rows(
            "select * from duckdb_tables() where table_name = '_dlt_loads'"
            " and estimated_size > 0"
        )
        == []
    )


def test_tables_made_by_someone_else_are_filled(mailgun: Host, raw: Raw) -> None:
    raw.path.parent.mkdir(parents=True)
    with duckdb.connect(str(raw.path)) as warehouse:
        warehouse.execute("create schema raw")
        for table in TABLES:
            warehouse.execute(table.create(compressed=False))
        warehouse.execute("create view events as from raw.mailgun_events")
    mailgun.pages([event("a")])

    extract(["mailgun"])

    assert raw.rows("select event_id from main.events") == [("a",)]


def test_declared_columns_are_those_of_the_warehouse(mailgun: Host, raw: Raw) -> None:
    mailgun.pages([event("a"), event("bad", "noon")])
    extract(["mailgun"])

    for table in TABLES:
        columns = raw.rows(
            "select column_name, is_nullable from duckdb_columns()"
            " where schema_name = 'raw' and table_name = ? order by column_index",
            table.name,
        )
        declared = [(column.name, column.nullable) for column in table.columns]
        assert columns == [*declared, ("_dlt_load_id", False)]


def test_bodies_are_stored_compressed(mailgun: Host, raw: Raw) -> None:
    mailgun.pages([event(f"{n}", NOON + n, x="y" * 1_000) for n in range(3_000)])

    extract(["mailgun"])

    assert raw.row(
        "select distinct compression from pragma_storage_info('raw.mailgun_events')"
        " where column_name = 'payload' and segment_type = 'VARCHAR'"
    ) == ("ZSTD",)


def test_settings_that_the_models_need_are_loaded_when_they_change(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailgun.pages([event("a")])
    query = "select name, value, _dlt_load_id from source_settings order by name"
    extract(["mailgun"])
    before = raw.rows(query)

    extract(["mailgun"])
    unchanged = raw.rows(query)
    monkeypatch.setenv("SOURCES__MAILGUN__TIMEZONE", "Europe/Stockholm")
    extract(["mailgun"])
    after = raw.rows(query)

    assert [(name, value) for name, value, _ in before] == [
        ("domains", '["d.example"]'),
        ("email_id_variables", '["email-id", "email_id"]'),
        ("timezone", "UTC"),
        ("trust_window", "3600"),
    ]
    assert unchanged == before
    assert [*after[:2], after[3]] == [*before[:2], before[3]]
    assert after[2][:2] == ("timezone", "Europe/Stockholm")
    assert after[2][2] > before[2][2]


def test_a_domain_that_is_read_no_longer_is_still_known_to_the_models(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailgun.pages([event("a")])
    extract(["mailgun"])
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "another.example")

    extract(["mailgun"])

    assert raw.row("select value from source_settings where name = 'domains'") == (
        '["another.example", "d.example"]',
    )


def test_cursor_is_committed_with_the_events_even_if_the_application_came_first(
    mailgun: Host, raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    accounts = "account_id,name,updated_at\n1,One,2026-03-01T00:00:00Z\n"
    (tmp_path / "app" / "accounts.csv").write_text(accounts)
    monkeypatch.setenv("SOURCES__APP__LOCATION", str(tmp_path / "app"))
    mailgun.pages([event("a")])

    extract(["app", "mailgun"])

    (load,) = raw.row("select _dlt_load_id from mailgun_events")
    newest = "select max_by(_dlt_load_id, version) from _dlt_pipeline_state"
    assert raw.row(newest) == (load,)


def test_older_copy_of_the_warehouse_is_filled_again(
    mailgun: Host, raw: Raw, tmp_path: Path
) -> None:
    mailgun.pages(items(10))
    extract(["mailgun"])
    shutil.copy(raw.path, tmp_path / "copy")
    mailgun.pages(items(20)[9:])
    extract(["mailgun"])
    shutil.copy(tmp_path / "copy", raw.path)

    extract(["mailgun"])

    assert len(raw.ids()) == 20


@pytest.mark.parametrize("made_by_dbt", [False, True])
def test_warehouse_that_was_removed_is_filled_again(
    mailgun: Host,
    raw: Raw,
    made_by_dbt: bool,
) -> None:
    mailgun.pages(items(10))
    extract(["mailgun"])
    raw.path.unlink()
    if made_by_dbt:
        with duckdb.connect(str(raw.path)) as warehouse:
            warehouse.execute("create schema raw")

    outcome = extract(["mailgun"])[0]

    assert outcome.window_begin == datetime(2026, 3, 1, tzinfo=UTC)
    assert len(raw.ids()) == 10


def test_state_folder_that_was_lost_is_made_again_from_the_warehouse(
    mailgun: Host, raw: Raw
) -> None:
    mailgun.pages(items(10))
    extract(["mailgun"])
    shutil.rmtree(raw.path.parent / "dlt")

    outcome = extract(["mailgun"])[0]

    assert outcome.window_begin == datetime(2026, 3, 1, 12, 0, 9, tzinfo=UTC)
    assert len(raw.ids()) == 10


def test_folders_of_loads_and_of_broken_reads_do_not_pile_up(
    mailgun: Host, raw: Raw
) -> None:
    mailgun.pages(items(1))
    extract(["mailgun"])
    folder = raw.path.parent / "dlt" / "tallybook"
    for n in range(KEPT_LOADS + 5):
        (folder / "load" / "loaded" / f"10000000{n:02}.1").mkdir()
    (folder / "normalize" / "abc" / "half").mkdir(parents=True)

    extract(["mailgun"])

    assert len(list((folder / "load" / "loaded").iterdir())) == KEPT_LOADS + 1
    assert not (folder / "normalize" / "abc").exists()


def test_warehouse_that_is_open_elsewhere_is_told(home: Path) -> None:
    home.mkdir()
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]);"
        " print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home / "warehouse.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        with pytest.raises(WarehouseBusyError, match="open in another process"):
            extract()
        other.stdin.close()


def test_nothing_ugly_reaches_a_terminal(mailgun: Host, home: Path) -> None:
    mailgun.pages(items(10), [event("bad", "noon")])

    child = subprocess.run(
        [sys.executable, "-c", "from extract.pipeline import extract; extract()"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )

    assert child.stdout == ""
    ours = [line for line in child.stderr.splitlines() if str(home) in line]
    assert ours == []
    assert "dlt" not in child.stderr.lower().replace("site-packages/dlt", "")


def test_unknown_source_is_refused(home: Path) -> None:  # noqa: ARG001
    with pytest.raises(SettingsError, match="there is no source ses"):
        extract(["ses"])


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        ("TALLYBOOK_NOW", "2026-03-01T12:00:00", "an offset"),
        ("TALLYBOOK_NOW", "noon", "is not an instant"),
        ("SOURCES__MAILGUN__SINCE", "2026-03-01", "an offset"),
        ("SOURCES__MAILGUN__TRUST_WINDOW", "600", "1800 or more"),
        ("SOURCES__MAILGUN__TRUST_WINDOW", "an hour", "1800 or more"),
        ("SOURCES__MAILGUN__MAX_EVENTS", "0", "1 or more"),
        ("SOURCES__MAILGUN__API", "v4", "none of Mailgun's"),
        ("SOURCES__MAILGUN__BASE_URL", "https://api.mailgun.net/v3", "host only"),
        ("SOURCES__MAILGUN__BASE_URL", "api.mailgun.net", "host only"),
        ("SOURCES__MAILGUN__BASE_URL", "https://a:b@api.mailgun.net", "host only"),
        ("SOURCES__MAILGUN__DOMAINS", "a b", "is no domain"),
        ("SOURCES__MAILGUN__DOMAINS", "a.example, A.example", "is there twice"),
        ("SOURCES__MAILGUN__DOMAINS", "[1]", "list of texts"),
        ("SOURCES__MAILGUN__DOMAINS", "[a", "write a list"),
        ("SOURCES__MAILGUN__DOMAINS", "a.example@host/x", "host only"),
        ("SOURCES__MAILGUN__TIMEZONE", "Mars/Olympus", "no IANA time zone"),
    ],
)
def test_setting_that_makes_no_sense_is_told_with_what_to_write(
    mailgun: Host,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    advice: str,
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError, match=advice) as caught:
        extract(["mailgun"])
    assert variable in str(caught.value)
    assert mailgun.requests == []


def test_settings_lie_in_toml_files_below_the_environment(
    mailgun: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("extract.settings.ROOT", tmp_path)
    monkeypatch.delenv("SOURCES__MAILGUN__DOMAINS")
    monkeypatch.delenv("SOURCES__MAILGUN__API_KEY")
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(
        '[sources.mailgun]\ndomains = ["d.example"]\nbase_url = "http://127.0.0.1:1"'
    )
    (tmp_path / ".dlt" / "secrets.toml").write_text(
        '[sources.mailgun]\napi_key = "secret"'
    )
    mailgun.pages([event("a")])

    [outcome] = extract(["mailgun"])

    assert (outcome.domain, outcome.loaded) == ("d.example", 1)
    assert mailgun.requests[0].headers["authorization"] == "Basic YXBpOnNlY3JldA=="


def test_check_reaches_each_domain_with_one_small_request(mailgun: Host) -> None:
    mailgun.pages([event("a")])

    [found] = check_mailgun()

    assert (found.domain, found.ok) == ("d.example", True)
    [request] = mailgun.requests
    assert request.path == "/v3/d.example/events?limit=1&ascending=no"


def test_check_says_what_is_not_configured(home: Path) -> None:  # noqa: ARG001
    with pytest.raises(NotConfiguredError, match="SOURCES__MAILGUN__DOMAINS"):
        check_mailgun()


def test_home_is_the_repositorys_own_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TALLYBOOK_HOME", raising=False)
    monkeypatch.setattr("extract.home.ROOT", tmp_path)

    assert home() == tmp_path / ".tallybook"
    assert home().is_dir()


def test_home_that_cannot_be_a_folder_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "file"))

    with pytest.raises(SettingsError, match="TALLYBOOK_HOME"):
        home()


def test_clock_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-01T12:00:00+01:00")

    assert now() == datetime(2026, 3, 1, 11, tzinfo=UTC)
