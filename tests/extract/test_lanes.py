"""Latest, missing and scheduled against a scripted host: what each reads and keeps."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from mailgun_host import NOON, Answer, Host, event
from raw_reader import Raw

from extract import rounds
from extract.backfills import Backfill, BackfillError, Desk
from extract.home import home
from extract.pipeline import Memory, Outcome, extract
from extract.windows import SECOND

MIDNIGHT = NOON - 43_200
THREE = NOON + 3 * 3_600  # where the clock stands at first
HEAD = THREE - 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock, in seconds since the epoch."""

    def set_to(at: float) -> None:
        monkeypatch.setenv("TALLYBOOK_NOW", datetime.fromtimestamp(at, UTC).isoformat())

    return set_to


def told(outcomes: list[Outcome]) -> list[tuple[str | None, str, str, int]]:
    return [(o.domain, o.lane, o.outcome, o.loaded) for o in outcomes]


def test_missing_reads_a_second_time_what_has_settled(
    mailgun: Host, raw: Raw, clock: Callable[[float], None]
) -> None:
    log = [event("a"), event("b", NOON + 600)]
    mailgun.log(log)
    extract(["mailgun"])
    log += [event("late", NOON - 60), event("c", NOON + 7_200)]
    clock(THREE + 60)

    outcomes = extract(["mailgun"])

    assert told(outcomes) == [
        ("d.example", "latest", "ok", 1),
        ("d.example", "missing", "ok", 1),
    ]
    assert mailgun.windows() == [
        ("d.example", MIDNIGHT, HEAD),
        ("d.example", NOON + 600, HEAD + 60),
        ("d.example", MIDNIGHT, NOON + 600),
    ]
    assert raw.ids() == ["a", "b", "c", "late"]
    assert raw.rows("select event_id from mailgun_events where lane = 'missing'") == [
        ("late",)
    ]


def test_missing_goes_on_where_it_stopped_and_never_past_what_is_settled(
    mailgun: Host, clock: Callable[[float], None]
) -> None:
    log = [event("a"), event("b", THREE - 300), event("c", THREE - 200)]
    mailgun.log(log)
    for minutes in (0, 1, 2):
        clock(THREE + minutes * 60)
        extract(["mailgun"])

    missing = [window for window in mailgun.windows() if window[2] < HEAD]
    # Each a trust window behind; a new process reads its last event again.
    assert missing == [
        ("d.example", MIDNIGHT, THREE + 60 - 3_600),
        ("d.example", NOON, THREE + 120 - 3_600),
    ]


def test_all_lanes_of_a_tick_are_committed_in_one_load(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "d.example,e.example")
    mailgun.log([event("a"), event("b", NOON + 1)])
    extract(["mailgun"])

    extract(["mailgun"])

    loads = raw.rows("select _dlt_load_id, count(*) from lane_runs group by 1")
    assert sorted(count for _, count in loads) == [2, 4]


def test_quiet_lane_does_not_read_its_last_event_again_while_the_process_lives(
    mailgun: Host, clock: Callable[[float], None]
) -> None:
    memory = Memory()
    mailgun.log([event("a")])
    begins = []
    for minute in range(4):
        clock(THREE + minute * 60)
        extract(["mailgun"], memory=memory)
        begins.append(mailgun.windows()[-1][1] if minute != 1 else None)
    extract(["mailgun"])

    latest = [b for d, b, e in mailgun.windows() if e >= HEAD]
    assert latest == [MIDNIGHT, NOON + 1, NOON + 1, NOON + 1, NOON]
    missing = [b for d, b, e in mailgun.windows() if e < HEAD]
    assert missing == [MIDNIGHT]  # then it has caught up


def test_warehouse_with_the_old_single_cursor_loses_nothing(
    mailgun: Host, raw: Raw, clock: Callable[[float], None]
) -> None:
    log = [event("a"), event("b", THREE - 600)]
    mailgun.log(log)
    extract(["mailgun"])
    settled = THREE - 3_600
    rewrite_state(raw, {"latest": {"d.example": iso(settled)}})
    log += [event("late", settled + 60), event("c", THREE + 30)]
    clock(THREE + 7_200)

    extract(["mailgun"])
    log.append(event("later", settled + 120))
    extract(["mailgun"])

    assert raw.ids() == ["a", "b", "c", "late", "later"]
    begins = [begin for _, begin, _ in mailgun.windows()]
    assert begins[1:] == [settled, THREE + 30, settled]


def rewrite_state(raw: Raw, cursors: dict[str, dict[str, str]]) -> None:
    """Gives a warehouse the state and the columns that it had before two lanes."""
    shutil.rmtree(raw.path.parent / "dlt")
    with duckdb.connect(str(raw.path)) as warehouse:
        for name in ("late", "late_in_last_tenth"):
            warehouse.execute(f"alter table raw.lane_runs drop column {name}")
        [(text, version)] = warehouse.execute(
            "select state, version from raw._dlt_pipeline_state"
            " order by version desc limit 1"
        ).fetchall()
        from dlt.common.versioned_state import (
            compress_state,
            decompress_state,
        )

        state = decompress_state(text)
        state["sources"]["mailgun"]["resources"]["events"] = {"cursors": cursors}
        warehouse.execute(
            "update raw._dlt_pipeline_state set state = ? where version = ?",
            [compress_state(state), version],
        )


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_lost_cursors_are_made_up_for_from_the_newest_event_and_since(
    mailgun: Host, raw: Raw
) -> None:
    log = [event("a"), event("b", NOON + 1)]
    mailgun.log(log)
    extract(["mailgun"])
    shutil.rmtree(raw.path.parent / "dlt")
    with duckdb.connect(str(raw.path)) as warehouse:
        warehouse.execute("drop table raw._dlt_pipeline_state")
    log.append(event("late", NOON - 1))

    extract(["mailgun"])

    assert mailgun.windows()[1:] == [
        ("d.example", NOON + 1, HEAD),
        ("d.example", MIDNIGHT, NOON + 1),
    ]
    assert raw.ids() == ["a", "b", "late"]


def test_budget_is_for_each_domain_and_missing_gets_the_rest(
    mailgun: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "d.example,e.example")
    monkeypatch.setenv("SOURCES__MAILGUN__MAX_EVENTS", "4")
    mailgun.log([event(str(n), NOON + n) for n in range(6)])

    first, second, third = (extract(["mailgun"]) for _ in range(3))

    assert [(o.lane, o.outcome, o.events) for o in first] == [
        ("latest", "cut_short", 4),
        ("latest", "cut_short", 4),
    ]
    # What latest reads leaves less than a page: missing waits.
    assert [(o.lane, o.outcome, o.events) for o in second] == [
        ("latest", "cut_short", 4),
        ("latest", "cut_short", 4),
    ]
    assert [(o.lane, o.outcome) for o in third] == [
        *[("latest", "ok")] * 2,
        *[("missing", "cut_short")] * 2,
    ]


def test_failing_domain_keeps_its_earlier_pages_and_the_others_go_on(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "d.example,e.example")
    log = [event(str(n), NOON + n) for n in range(6)]
    mailgun.log(log)
    [serve] = mailgun.script
    mailgun.script = [
        lambda path: (
            Answer(status=503)
            if "d.example" in path and path.endswith("-4")
            else serve(path)
        )
    ]

    broken = extract(["mailgun"])
    mailgun.script = [serve]
    mended = extract(["mailgun"])

    assert told(broken) == [
        ("d.example", "latest", "failed", 4),
        ("e.example", "latest", "ok", 6),
    ]
    assert told(mended)[0] == ("d.example", "latest", "ok", 2)
    assert raw.row("select count(*) from mailgun_events") == (12,)
    assert mailgun.windows()[-4][1] == NOON + 2


def test_domain_that_stays_broken_is_asked_less_and_less_often(
    mailgun: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = 1_000.0
    monkeypatch.setattr(rounds, "monotonic", lambda: time)
    memory = Memory()
    mailgun.script = [Answer(status=401)]
    asked = []
    for _ in range(20):
        before = len(mailgun.requests)
        [outcome] = extract(["mailgun"], memory=memory)
        assert outcome.outcome == "failed"
        assert "check the API key" in outcome.message
        asked.append(len(mailgun.requests) > before)
        time += 60
    mailgun.log([event("a")])
    time += 900
    [outcome] = extract(["mailgun"], memory=memory)

    gaps = [n for n, was in enumerate(asked) if was]
    assert gaps == [0, 1, 2, 4, 8, 16]
    assert outcome.outcome == "ok"


def test_long_fetch_hands_over_when_its_time_is_up(mailgun: Host, raw: Raw) -> None:
    mailgun.log([event(str(n), NOON + n) for n in range(20)])

    [first] = extract(["mailgun"], seconds=0.0)
    second, *_ = extract(["mailgun"])

    assert (first.outcome, first.loaded) == ("cut_short", 2)
    assert (second.outcome, second.loaded) == ("ok", 18)
    assert len(raw.ids()) == 20


def test_time_is_shared_so_that_no_domain_waits_for_anothers_backlog(
    mailgun: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "d.example,e.example,f.example")
    mailgun.log([event(str(n), NOON + n) for n in range(50)])

    outcomes = extract(["mailgun"], seconds=0.0)

    assert told(outcomes) == [
        (domain, "latest", "cut_short", 2)
        for domain in ("d.example", "e.example", "f.example")
    ]


def test_process_that_is_asked_to_end_stops_after_the_page_in_hand(
    mailgun: Host, raw: Raw
) -> None:
    mailgun.log([event(str(n), NOON + n) for n in range(20)])
    pages: list[int] = []

    [outcome] = extract(
        ["mailgun"],
        on_progress=lambda progress: pages.append(progress.events),
        is_ending=lambda: len(pages) >= 3,
    )

    assert outcome.outcome == "cut_short"
    assert len(raw.ids()) < 20
    extract(["mailgun"])
    assert len(raw.ids()) == 20


def test_everything_is_read_in_one_go_whatever_the_budget(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = [event(str(n), NOON + n) for n in range(9)]
    mailgun.log(log)
    extract(["mailgun"])
    monkeypatch.setenv("SOURCES__MAILGUN__MAX_EVENTS", "2")
    log.append(event("old", NOON - 7_200))

    [outcome] = extract(["mailgun"], everything=True)

    assert (outcome.lane, outcome.outcome, outcome.loaded) == ("latest", "ok", 1)
    assert outcome.window_begin == datetime.fromtimestamp(MIDNIGHT, UTC)
    assert "old" in raw.ids()


@pytest.fixture
def desk(home: Any) -> Desk:
    return Desk(home, "mailgun")


def asked(desk: Desk, begin: float, end: float) -> Backfill:
    return desk.schedule(int(begin) * SECOND, int(end) * SECOND)


def test_backfill_reads_its_range_and_ends(mailgun: Host, raw: Raw, desk: Desk) -> None:
    log = [event("a"), event("b", NOON + 1)]
    mailgun.log(log)
    extract(["mailgun"])
    log.append(event("old", NOON - 86_400))
    asked(desk, NOON - 90_000, NOON)

    outcomes = extract(["mailgun"])

    assert outcomes[-1].lane == "scheduled"
    assert outcomes[-1].loaded == 1
    found = desk.look()
    assert found is not None
    assert (found.state, found.cursor) == ("read", NOON * SECOND)
    assert raw.rows("select event_id from mailgun_events where lane = 'scheduled'") == [
        ("old",)
    ]
    assert {o.lane for o in extract(["mailgun"])} == {"latest", "missing"}


def test_backfill_goes_on_over_ticks_and_restarts_and_delays_latest_by_none(
    mailgun: Host, raw: Raw, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__MAX_EVENTS", "4")
    old = [event(f"old{n}", NOON - 86_400 + n) for n in range(10)]
    mailgun.log([*old, event("a", THREE - 600)])
    asked(desk, NOON - 86_400, NOON - 80_000)
    lanes = []
    for _ in range(12):
        shutil.rmtree(raw.path.parent / "dlt", ignore_errors=True)
        outcomes = extract(["mailgun"])
        lanes.append([o.lane for o in outcomes])
        now = desk.look()
        assert now is not None
        if now.state == "read":
            break

    assert len(raw.ids()) == 11
    assert all(each[0] == "latest" for each in lanes)
    assert sum("scheduled" in each for each in lanes) > 1


def test_second_backfill_is_refused_while_one_runs_and_replaces_while_none_does(
    mailgun: Host, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__MAX_EVENTS", "4")
    mailgun.log([event(f"{n}", NOON - 86_400 + n) for n in range(10)])
    asked(desk, NOON - 90_000, NOON - 50_000)
    replacing = asked(desk, NOON - 86_400, NOON - 50_000)

    extract(["mailgun"])

    running = desk.look()
    assert running is not None
    assert (running.backfill_id, running.state) == (replacing.backfill_id, "running")
    with pytest.raises(BackfillError, match="runs already"):
        asked(desk, NOON, NOON + 1)
    desk.cancel()
    assert asked(desk, NOON, NOON + 1).state == "waiting"


def test_cancel_takes_effect_after_the_page_in_hand_and_keeps_what_was_read(
    mailgun: Host, raw: Raw, desk: Desk
) -> None:
    old = [event(f"{n:02}", NOON - 86_400 + n) for n in range(40)]
    mailgun.log(old)
    asked(desk, NOON - 90_000, NOON - 50_000)

    def cancel(progress: Any) -> None:
        if progress.lane == "scheduled" and progress.events == 2:
            desk.cancel()

    outcome = extract(["mailgun"], on_progress=cancel)[-1]

    assert (outcome.lane, outcome.outcome, outcome.loaded) == (
        "scheduled",
        "cancelled",
        4,
    )
    found = desk.look()
    assert found is not None
    assert found.state == "cancelled"
    assert raw.ids() == ["00", "01", "02", "03"]
    assert raw.rows("select outcome from lane_runs where lane = 'scheduled'") == [
        ("cancelled",)
    ]
    assert [o.lane for o in extract(["mailgun"])] == ["latest"]


def test_backfill_that_is_cancelled_before_it_began_never_begins(
    mailgun: Host, desk: Desk
) -> None:
    mailgun.log([event("a")])
    asked(desk, NOON - 90_000, NOON)
    desk.cancel()

    assert {o.lane for o in extract(["mailgun"])} == {"latest"}
    with pytest.raises(BackfillError, match="none to cancel"):
        desk.cancel()


def test_backfill_whose_end_was_committed_but_not_noted_ends_at_the_next_tick(
    mailgun: Host, desk: Desk
) -> None:
    mailgun.log([event("old", NOON - 86_400)])
    taken = asked(desk, NOON - 90_000, NOON)
    extract(["mailgun"])
    path = home() / "requests" / "backfill-mailgun.json"
    noted = json.loads(path.read_bytes())
    path.write_text(json.dumps({**noted, "state": "running", "stopped": {}}))
    before = len(mailgun.requests)

    extract(["mailgun"])

    found = desk.look()
    assert found is not None
    assert (found.backfill_id, found.state) == (taken.backfill_id, "read")
    assert all(end >= HEAD - 3_600 for _, _, end in mailgun.windows()[before:])


def test_empty_range_is_refused(desk: Desk) -> None:
    with pytest.raises(BackfillError, match="must be before"):
        asked(desk, NOON, NOON)


def test_lateness_is_measured_by_looking_again_and_an_outage_is_none(
    mailgun: Host, raw: Raw, clock: Callable[[float], None]
) -> None:
    # An hour's trust window has parts of six minutes, and one in ten is sampled.
    part = 360
    sampled = NOON // (10 * part) * 10 * part
    log: list[dict[str, Any]] = [event("first", sampled - 600)]
    arrivals = {
        sampled + 1_000: event("late", sampled + 30),  # by about a quarter of an hour
        sampled + 3_620: event("very late", sampled + 60),  # by about an hour
        sampled + 3_630: event("unsampled", sampled + 500),
    }
    mailgun.log(log)
    memory = Memory()
    for at in range(sampled, sampled + 4_500, 180):
        log += [late for stored, late in arrivals.items() if at - 180 < stored <= at]
        log.append(event(f"on time {at}", at - 90))
        clock(at)
        extract(["mailgun"], memory=memory)

    runs = raw.rows(
        "select late, late_in_last_tenth, lateness_max from lane_runs where late > 0"
        " order by began_at"
    )
    assert [run[:2] for run in runs] == [(1, 0), (1, 1)]
    assert 1_000 <= runs[0][2] <= 1_000 + 2 * part
    assert 3_600 <= runs[1][2] <= 3_600 + 240
    assert len(raw.ids()) == len(log)


def test_what_is_found_after_an_outage_of_ours_is_not_called_late(
    mailgun: Host, raw: Raw, clock: Callable[[float], None]
) -> None:
    mailgun.log(log := [event("a", NOON - 60)])
    memory = Memory()
    for at in (NOON, NOON + 60, NOON + 20_000, NOON + 20_060, NOON + 24_000):
        log.append(event(str(at), at - 120))
        log.append(event(f"late {at}", at - 3_000))
        clock(at)
        extract(["mailgun"], memory=memory)

    assert raw.row("select sum(late) from lane_runs") == (0,)


def test_trust_window_of_half_an_hour_is_the_shortest(
    mailgun: Host, monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__TRUST_WINDOW", "1800")
    mailgun.log([event("a"), event("b", THREE - 120)])
    extract(["mailgun"])
    clock(THREE + timedelta(minutes=1).total_seconds())
    extract(["mailgun"])

    assert mailgun.windows()[-1] == ("d.example", MIDNIGHT, THREE + 60 - 1_800)
