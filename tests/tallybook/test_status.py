"""One screen that says whether all is well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest
from rich.console import Console
from test_lock import held_by_another

from extract.backfills import Desk
from inbox import Record, Writer, new_request_id
from tallybook import forget
from tallybook import status as module
from tallybook.builds import Build, Finding, note
from tallybook.errors import CannotRunError
from tallybook.forget import State
from tallybook.heart import Beat
from tallybook.lock import RunningError
from tallybook.status import status
from tallybook.status_screen import show

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A warehouse with two runs of one lane, a dead letter and two strays."""
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-01T12:00:00Z")
    monkeypatch.delenv("SOURCES__MAILGUN__API_KEY", raising=False)
    with duckdb.connect(tmp_path / "warehouse.duckdb") as con:
        con.execute(
            """
            set TimeZone = 'UTC';
            create schema raw;
            create schema marts;
            create schema ledger;
            create table raw.lane_runs as
            select
                'mailgun' as source, 'a.example' as domain, 'latest' as lane, *
            from (values
                (timestamptz '2026-03-01 10:00:00', timestamptz '2026-03-01 08:00:00',
                 timestamptz '2026-03-01 10:59:00', timestamptz '2026-03-01 10:00:00',
                 'failed', 'no answer'),
                (timestamptz '2026-03-01 11:00:00', timestamptz '2026-03-01 10:00:00',
                 timestamptz '2026-03-01 11:59:00', timestamptz '2026-03-01 11:10:00',
                 'ok', '')
            ) as runs(began_at, window_begin, window_end, cursor, outcome, message);
            create table raw.dead_letters as
            select 'mailgun' as source, 'missing_id' as reason, *
            from (values ('a', now()), ('b', now() - interval 3 day), ('c', now()))
                as d(dead_letter_key, received_at);
            create table raw.requests as select 'replay:c' as request_id;
            create table raw.mailgun_events as
            select timestamptz '2026-03-01 11:58:00' as occurred_at;
            create table marts.fct_unmatched_events as
            select 'no_id' as reason, now() as received_at from range(2);
            create table ledger.builds as select now() as built_at
            """
        )
    return tmp_path


def a_build(**findings: tuple[Finding, ...]) -> Build:
    nothing: dict[str, tuple[Finding, ...]] = {
        "warnings": (),
        "failures": (),
        "errors": (),
    }
    return Build(
        "id", datetime.now(UTC), 2.0, 5, 7, 0, **(nothing | findings), rebuilt=()
    )


def test_the_newest_run_of_a_lane_counts_and_its_lag_is_by_the_clock_of_fetching(
    home: Path,
) -> None:
    (lane,) = status(home).lanes

    assert lane.outcome == "ok"
    assert lane.fetched_through == NOON - timedelta(minutes=1)
    assert lane.lag_seconds == 60


def test_a_lane_that_failed_has_read_only_as_far_as_its_cursor(home: Path) -> None:
    with duckdb.connect(home / "warehouse.duckdb") as con:
        con.execute("delete from raw.lane_runs where outcome = 'ok'")
    found = status(home)

    assert found.lanes[0].lag_seconds == 2 * 3600
    assert found.troubles == ("mailgun a.example failed: no answer",)


def test_a_domain_that_is_no_longer_read_has_no_lane(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", "key")
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "b.example,a.example")
    assert [lane.domain for lane in status(home).lanes] == ["a.example"]
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "b.example")
    assert status(home).lanes == ()


def test_a_missing_lane_that_stands_where_latest_began_has_caught_up(
    home: Path,
) -> None:
    with duckdb.connect(home / "warehouse.duckdb") as con:
        con.execute(
            """
            insert into raw.lane_runs
            select source, domain, 'missing', began_at,
                timestamptz '2026-03-01 00:00:00+00', window_begin, window_begin,
                'ok', ''
            from raw.lane_runs where outcome = 'ok'
            """
        )
    found = {lane.lane: lane for lane in status(home).lanes}

    assert found["missing"].is_caught_up
    assert found["missing"].lag_seconds == 2 * 3600
    assert not found["latest"].is_caught_up


def test_while_a_run_reads_the_lane_that_it_reads_is_marked(home: Path) -> None:
    module.note(home)
    with held_by_another(home) as other:
        beat = Beat(
            other.pid,
            "extract",
            datetime.now(UTC),
            source="mailgun",
            domain="a.example",
            lane="latest",
            failures=4,
            failing_since=NOON,
        )
        (home / "run.json").write_bytes(msgspec.json.encode(beat))
        found = status(home)

    assert [lane.running for lane in found.lanes] == [True]
    assert found.troubles == ("the last 4 ticks failed, since 2026-03-01 12:00",)


def test_what_another_process_noted_says_nothing_of_this_one(home: Path) -> None:
    module.note(home)
    stale = Beat(1, "extract", NOON, failures=9, failing_since=NOON)
    (home / "run.json").write_bytes(msgspec.json.encode(stale))
    with held_by_another(home):
        assert status(home).beat is None
    assert status(home).troubles == ()


def test_a_backfill_is_shown_until_it_is_read(home: Path) -> None:
    desk = Desk(home, "mailgun")
    desk.schedule(0, 3_600_000_000)
    console = Console(width=100)
    with console.capture() as drawn:
        show(console, status(home))

    assert "mailgun 01-01 00:00 to 01-01 01:00: waiting" in drawn.get()
    desk.cancel()
    with console.capture() as drawn:
        show(console, status(home))
    assert "01-01 00:00" not in drawn.get()


def test_dead_letters_and_strays_are_counted_by_reason(home: Path) -> None:
    found = status(home)

    assert found.dead_letters == (module.Count("mailgun: missing_id", 1, 2),)
    assert found.unmatched == (module.Count("no_id", 2, 2),)
    assert found.newest[0].occurred_at == NOON - timedelta(minutes=2)


def test_the_newest_event_is_found_however_old_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_NOW", "2027-03-01T12:00:00Z")

    assert status(home).newest[0].occurred_at == NOON - timedelta(minutes=2)


def test_a_build_that_did_not_pass_is_trouble_and_one_that_warned_is_not(
    home: Path,
) -> None:
    finding = Finding("a_promise_holds", "test", "Got 3 results", 3)
    note(home, a_build(warnings=(finding,)))
    assert status(home).troubles == ()
    note(home, a_build(failures=(finding,)))
    assert "did not pass" in status(home).troubles[0]


def test_while_a_run_is_at_work_the_last_one_s_figures_are_shown(home: Path) -> None:
    module.note(home)
    before = status(home)
    with held_by_another(home) as other:
        found = status(home)

    assert found.running is not None
    assert found.running.pid == other.pid
    assert found.lanes == before.lanes


def test_while_the_first_run_is_at_work_there_is_nothing_to_show_yet(
    home: Path,
) -> None:
    with held_by_another(home), pytest.raises(RunningError):
        status(home)


def test_what_stopped_a_command_is_trouble_until_one_has_done_its_work(
    home: Path,
) -> None:
    module.note_problem(home, "run", "The disk is full.")
    (trouble,) = status(home).troubles
    assert trouble.startswith("`tallybook run` could not run at ")
    assert trouble.endswith(": The disk is full.")
    module.note(home)
    assert status(home).troubles == ()


def test_before_the_first_run_it_says_where_to_begin(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="Nothing has been run yet"):
        status(tmp_path)


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_one_screen(home: Path, width: int) -> None:
    note(home, a_build(warnings=(Finding("a_promise", "test", "Got 3 results", 3),)))
    console = Console(width=width)
    with console.capture() as drawn:
        show(console, status(home))
    lines = drawn.get().splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= width
    assert lines[0] == "✓ all is well"
    assert "60 s behind" in drawn.get()


def drawn(home: Path, width: int = 120) -> str:
    console = Console(width=width)
    with console.capture() as screen:
        show(console, status(home))
    return screen.get()


def test_events_of_no_account_are_told_before_all_is_well(home: Path) -> None:
    with duckdb.connect(home / "warehouse.duckdb") as con:
        con.execute(
            "create table marts.fct_message_events as select * from (values"
            " (null, true), (null, true), (null, false), ('a', true)"
            ") as events(account_id, counts_in_delivery)"
        )

    assert status(home).without_account == 2
    assert status(home).troubles == ()
    assert drawn(home).startswith("! 2 events of no account")
    assert "sending_domain" in drawn(home)


@pytest.mark.parametrize(
    ("state", "what_to_do"),
    [
        ("asked", "`tallybook run`"),
        ("erased", "`tallybook publish --anyway`"),
        ("published", "once the collector"),
    ],
)
def test_who_is_still_to_be_forgotten_is_shown_without_the_address(
    home: Path, state: State, what_to_do: str
) -> None:
    request = forget.ask(home, "ann@example.com")
    forget._write(home, replace(request, state=state))

    assert what_to_do in drawn(home)
    assert b"ann@" not in msgspec.json.encode(status(home))
    module.note(home)
    with held_by_another(home):
        assert what_to_do in drawn(home)


def receive(home: Path, at: datetime, count: int) -> None:
    writer = Writer(home / "inbox")
    when = int(at.timestamp()) * 1_000_000
    writer.append([Record(new_request_id(when), "sendgrid", "", when, b"[]")] * count)
    writer.close()


def test_what_waits_in_the_inbox_is_counted(home: Path) -> None:
    assert status(home).inbox is None
    receive(home, datetime.now(UTC), 3)

    found = status(home)

    assert found.inbox is not None
    assert (found.inbox.segments, found.inbox.requests) == (1, 3)
    assert not [one for one in found.troubles if "waits" in one]
    console = Console(width=100)
    with console.capture() as drawn:
        show(console, found)
    assert "3 requests to be loaded, 1 segment, 0 archived" in drawn.get()


def test_what_waits_for_a_day_is_a_trouble(home: Path) -> None:
    receive(home, datetime.now(UTC) - timedelta(days=2), 1)
    [trouble] = [one for one in status(home).troubles if "waits to be loaded" in one]
    assert "alive?" in trouble
