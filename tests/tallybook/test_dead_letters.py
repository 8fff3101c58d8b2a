"""Dead letters as people see them, and judge them again: at once, or by a tick."""

import json
import os
import time
from pathlib import Path

import duckdb
import pytest
from living import line, living, tallybook

from extract import decode
from extract.pipeline import extract
from extract.replays import Wanted
from inbox import Record, Writer, new_request_id
from tallybook.dead_letters import look
from tallybook.say import printable
from tests.parsed import plant

EVENT = {"event": "delivered", "sg_event_id": "a", "email": "zoe@example.com"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of its own, with nothing configured."""
    for name in os.environ:
        if name.startswith(("SOURCES__", "TALLYBOOK_NOW")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "home"))
    return plant(tmp_path / "home")


def receive(home: Path, *bodies: bytes) -> None:
    """Puts requests of SendGrid's into the inbox, now."""
    writer = Writer(home / "inbox")
    for body in bodies:
        at = time.time_ns() // 1_000
        writer.append([Record(new_request_id(at), "sendgrid", "", at, body)])
    writer.close()


def batch(*event_ids: str) -> bytes:
    """A body with these events, of now."""
    now = int(time.time())
    return json.dumps(
        [{**EVENT, "sg_event_id": one, "timestamp": now} for one in event_ids]
    ).encode()


def before_the_mend(home: Path, monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    """Receives events whose names are too long for the decoders, and reads them."""
    receive(home, batch(*ids))
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        extract(["inbox"])


def test_what_was_sent_can_do_nothing_to_a_terminal(home: Path) -> None:
    receive(home, b"{", b"\x1b[2J[red]&[/red]\r\n\x07 [link=file:///etc]")
    extract(["inbox"])

    told = tallybook(dict(os.environ), "dead-letters", "list")

    assert told.returncode == 0, told.stderr
    assert r"\x1b[2J[red]&[/red]\r\n\x07 [link=file:///etc]" in told.stdout
    assert "\x1b" not in told.stdout
    assert "invalid_json" in told.stdout
    listed = json.loads(
        tallybook(dict(os.environ), "dead-letters", "list", "--json").stdout
    )
    [kind] = listed["dead_letters"]
    assert (kind["source"], kind["reason"], kind["waiting"], kind["replayed"]) == (
        "sendgrid",
        "invalid_json",
        2,
        0,
    )


@pytest.mark.parametrize("text", ["\x9b31m", "a\u202eb", "\u2028", "\x00\x7f"])
def test_no_control_character_is_printed(text: str) -> None:
    assert printable(text).isprintable()


def test_without_a_warehouse_it_says_so(home: Path) -> None:
    for words in ("list", "replay"):
        told = tallybook(dict(os.environ), "dead-letters", words)
        assert told.returncode == 2
        assert "Nothing has been run yet" in told.stderr
    assert not (home / "warehouse.duckdb").exists()


def test_replayed_at_once_while_nobody_is_at_work(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_mend(home, monkeypatch, "a", "b")
    receive(home, b"nonsense")
    extract(["inbox"])
    env = dict(os.environ)

    other = tallybook(env, "dead-letters", "replay", "--reason", "bad_page", "--json")
    told = tallybook(env, "dead-letters", "replay", "--since", "2020-01-01")

    assert json.loads(other.stdout)["replay"]["events"] == 0
    assert told.returncode == 0, told.stderr
    assert "3 dead letters judged again, 2 mended, 1 as before: 2 new" in told.stdout
    assert [
        (one.reason, one.waiting, one.replayed) for one in look(home, Wanted())
    ] == [
        ("invalid_json", 1, 0),
        ("field_too_long", 0, 2),
    ]
    assert [one.reason for one in look(home, Wanted(reason="invalid_json"))] == [
        "invalid_json"
    ]
    status = json.loads(tallybook(env, "status", "--json").stdout)["status"]
    assert status["dead_letters"] == [
        {"what": "sendgrid: invalid_json", "last_day": 1, "total": 1}
    ]
    assert status["inbox"] == {
        "segments": 0,
        "requests": 0,
        "since": None,
        "damaged": 0,
        "archived": 2,
    }


def test_while_a_run_lives_its_next_tick_replays_and_the_account_holds(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_mend(home, monkeypatch, "a", "b")
    env = dict(os.environ)
    with living(env, "run", "--every", "1s") as process:
        line(process, "tick")

        told = tallybook(env, "dead-letters", "replay", "--json")

        assert json.loads(told.stdout)["is_asked_for"], told.stdout + told.stderr
        found = line(process, "lane")
        while found["lane"] != "replay":
            found = line(process, "lane")
        assert (found["new"], found["dead"]) == ("2", "0")
        assert line(process, "build")["failed"] == "0"
        line(process, "published")
        listed = tallybook(env, "dead-letters", "list", "--json")
        [kind] = json.loads(listed.stdout)["dead_letters"]
        assert (kind["waiting"], kind["replayed"], kind["excerpt"]) == (0, 2, None)

    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        assert con.execute(
            "select count(*) from marts.fct_message_events"
        ).fetchall() == [(2,)]
        assert con.execute(
            "select reason, dead_letters, replayed from marts.ops_dead_letters"
        ).fetchall() == [("field_too_long", 2, 2)]


def test_a_build_finds_a_request_whose_events_are_not_all_there(home: Path) -> None:
    env = dict(os.environ)
    receive(home, batch("a", "b"), b"nonsense")
    assert tallybook(env, "run").returncode == 0
    receive(home, batch("c", "d"))
    extract(["inbox"])
    with duckdb.connect(home / "warehouse.duckdb") as con:
        con.execute("delete from raw.sendgrid_events where event_id = 'd'")

    built = tallybook(env, "build", "--json")

    assert built.returncode == 1, built.stdout
    failures = json.loads(built.stdout)["build"]["failures"]
    assert [(one["name"], one["rows"]) for one in failures] == [
        ("every_received_event_is_accounted_for", 1)
    ]
