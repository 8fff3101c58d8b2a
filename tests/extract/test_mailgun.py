"""Mailgun's events from a scripted host into raw: once, accounted for, resumed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from dlt.destinations.exceptions import DatabaseTerminalException
from mailgun_host import NOON, Answer, Host, event, page
from raw_reader import Raw

from extract import lanes
from extract.destination import AppendOnceJob
from extract.home import now
from extract.pipeline import LoadError, Outcome, Progress, extract

NOON_AT = datetime.fromtimestamp(NOON, UTC)
NOW = NOON_AT + timedelta(hours=3)


def run(**options: Any) -> Outcome:
    """Reads the one domain; what the latest lane did."""
    outcome, *others = extract(["mailgun"], **options)
    assert outcome.lane == "latest"
    assert {other.lane for other in others} <= {"missing"}
    return outcome


def begins(host: Host) -> list[float]:
    """Where the windows of the latest lane began that the host was asked for."""
    queries = [parse_qs(urlsplit(request.path).query) for request in host.requests]
    head = now().timestamp() - 60
    return [
        float(query["begin"][0])
        for query in queries
        if "begin" in query and float(query["end"][0]) >= head
    ]


def test_events_arrive_typed_with_their_bodies(mailgun: Host, raw: Raw) -> None:
    mailgun.pages([event("a", NOON + 0.000001, recipient="zoë@example.com")])

    outcome = run()

    assert (outcome.outcome, outcome.events, outcome.loaded) == ("ok", 1, 1)
    [row] = raw.rows(
        "select * exclude (received_at, request_id, _dlt_load_id) from mailgun_events"
    )
    assert row == (
        "mailgun:d.example:2026-03-01:a",
        "d.example",
        "a",
        "delivered",
        NOON_AT + timedelta(microseconds=1),
        "latest",
        0,
        '{"id":"a","event":"delivered","timestamp":1772366400.000001,'
        '"recipient":"zoë@example.com"}',
    )  # fmt: skip


def test_event_arrives_by_the_real_clock(mailgun: Host, raw: Raw) -> None:
    mailgun.pages([event("a")])
    before = datetime.now(UTC)

    run()

    for table in ("mailgun_events", "requests"):
        (received_at,) = raw.row(f"select received_at from {table}")  # noqa: S608
        assert before <= received_at <= datetime.now(UTC)


def test_second_run_loads_nothing_again(mailgun: Host, raw: Raw) -> None:
    mailgun.pages([event("a"), event("b", NOON + 1)])
    everything = "select * from mailgun_events order by event_key"
    run()
    before = raw.rows(everything)

    outcome = run()

    assert (outcome.loaded, outcome.repeated) == (0, 2)
    assert raw.rows(everything) == before


def test_window_that_is_empty_asks_for_nothing(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__SINCE", "2026-03-01T14:59:00Z")

    assert extract(["mailgun"]) == []

    assert mailgun.requests == []
    assert raw.rows("select * from lane_runs") == []


def test_id_given_on_two_days_is_two_events_and_its_case_counts(
    mailgun: Host, raw: Raw
) -> None:
    day = 86_400
    mailgun.pages([event("a"), event("A")], [event("a", NOON - day)])

    run()

    assert raw.ids() == ["A", "a", "a"]


def test_every_page_is_accounted_for(mailgun: Host, raw: Raw) -> None:
    bad = event("x", "noon")
    first = [event("a"), event("a"), bad, bad, event("b", NOON + 1)]
    mailgun.pages(first, [event("b", NOON + 1), bad, event("c", NOON + 2)])

    outcome = run()
    again = run()

    accounts = raw.rows(
        "select events, loaded, repeated, dead from requests order by request_id"
    )
    assert accounts == [(5, 2, 2, 1), (3, 1, 2, 0), (5, 0, 5, 0), (3, 0, 3, 0)]
    assert (outcome.loaded, outcome.repeated, outcome.dead) == (3, 4, 1)
    assert (again.loaded, again.repeated, again.dead) == (0, 8, 0)
    assert raw.row("select count(*) from mailgun_events") == (3,)
    assert raw.row("select reason, body, position from dead_letters") == (
        "bad_timestamp",
        json.dumps(bad, separators=(",", ":")),
        2,
    )
    assert raw.row(
        "select count(*) from mailgun_events"
        " join requests using (request_id, _dlt_load_id)"
    ) == (3,)


def test_run_counts_new_events_by_kind(mailgun: Host, raw: Raw) -> None:
    kinds = {
        "delivered": {},
        "opened": {},
        "clicked": {},
        "accepted": {},
        "unsubscribed": {},
        "complained": {},
        "failed": {"severity": "permanent"},
        "dropped": {},
    }
    items = [event(name, event=name, **more) for name, more in kinds.items()]
    soft = [event(f"soft{s}", event="failed", severity=s) for s in ("temporary", None)]
    mailgun.pages([*items, *soft, event("dropped", event="dropped")])

    run()

    assert raw.row("""
        select events, delivered, opened, temporary_failures, permanent_failures,
            unsubscribed, complained, unhandled, repeats, dead, lateness_p50,
            source, domain, lane, outcome
        from lane_runs
    """) == (
        10,
        1,
        1,
        2,
        1,
        1,
        1,
        1,
        1,
        0,
        None,
        "mailgun",
        "d.example",
        "latest",
        "ok",
    )


def test_next_run_begins_at_the_last_event(mailgun: Host) -> None:
    last = NOW - timedelta(minutes=5)
    mailgun.pages([event("a"), event("b", last.timestamp())])

    outcome = run()
    run()

    assert outcome.cursor == last
    assert begins(mailgun) == [NOON - 43_200, last.timestamp()]


def test_cursor_never_goes_back(mailgun: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    mailgun.pages([event("a"), event("b", NOON + 60)])
    run()
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-01T12:30:00Z")
    mailgun.pages([event("c", NOON - 600)])

    outcomes = [run(), run(everything=True)]

    assert {outcome.cursor for outcome in outcomes} == {NOON_AT + timedelta(minutes=1)}


def test_everything_is_read_again_from_the_beginning_and_nothing_twice(
    mailgun: Host, raw: Raw
) -> None:
    mailgun.pages([event("a"), event("b", NOON + 1)])
    run()
    mailgun.pages([event("late", NOON - 3_600), event("a"), event("b", NOON + 1)])

    outcome = run(everything=True)

    assert begins(mailgun) == [NOON - 43_200] * 2
    assert (outcome.loaded, outcome.repeated) == (1, 2)
    assert raw.ids() == ["a", "b", "late"]


def test_timestamp_out_of_range_never_moves_the_cursor(mailgun: Host) -> None:
    mailgun.pages([event("a"), event("far", NOON * 1_000), event("0", 0)])

    assert run().cursor == NOON_AT


def test_event_beyond_the_window_never_moves_the_cursor(mailgun: Host) -> None:
    mailgun.pages([event("a"), event("tomorrow", NOON + 86_400)])

    assert run().cursor == NOON_AT


def test_failed_page_leaves_earlier_pages_loaded_and_is_read_next_time(
    mailgun: Host, raw: Raw
) -> None:
    following = f"{mailgun.base_url}/v3/d/events/page-1"
    mailgun.script = [
        Answer(page([event("a"), event("b", NOON + 1)], following)),
        Answer(status=503),
    ]

    failed = run()
    mailgun.pages([event("a"), event("b", NOON + 1)], [event("c", NOON + 2)])
    outcome = run()

    assert (failed.outcome, failed.loaded) == ("failed", 2)
    assert "answered 503" in failed.message
    assert begins(mailgun)[-1] == NOON
    assert (outcome.outcome, outcome.loaded) == ("ok", 1)
    assert raw.ids() == ["a", "b", "c"]
    runs = "select outcome from lane_runs where lane = 'latest' order by began_at"
    assert raw.rows(runs) == [("failed",), ("ok",)]


def test_event_that_comes_too_early_before_a_failure_hides_nothing(
    mailgun: Host,
) -> None:
    following = f"{mailgun.base_url}/v3/d/events/page-1"
    early = [event("a"), event("b", NOON + 1), event("z", NOON + 900)]
    mailgun.script = [Answer(page(early, following)), Answer(status=503)]

    # Had the cursor moved to z, what the next page holds would be lost.
    assert run().cursor == NOON_AT


def test_answer_that_is_no_page_is_a_dead_letter_and_stops_the_lane(
    mailgun: Host, raw: Raw
) -> None:
    following = f"{mailgun.base_url}/v3/d/events/page-1"
    mailgun.script = [
        Answer(page([event("a")], following)),
        Answer(b"<html>busy</html>"),
    ]

    outcome = run()

    assert (outcome.outcome, outcome.dead, outcome.cursor) == ("failed", 1, NOON_AT)
    assert len(mailgun.requests) == 1 + 3
    assert raw.row("select reason, body from dead_letters") == (
        "bad_page",
        "<html>busy</html>",
    )
    assert raw.row("select sum(events), sum(loaded), sum(dead) from requests") == (
        2,
        1,
        1,
    )


def test_next_page_on_another_host_is_not_followed(mailgun: Host, raw: Raw) -> None:
    mailgun.script = [Answer(page([event("a")], "http://127.0.0.1:1/v3/next"))]

    outcome = run()

    assert outcome.outcome == "failed"
    assert "another host" in outcome.message
    assert raw.ids() == ["a"]


def test_pages_that_lead_in_a_circle_end(mailgun: Host, raw: Raw) -> None:
    following = f"{mailgun.base_url}/v3/d/events/page-1"
    mailgun.script = [Answer(page([event("a")], following))]

    outcome = run()

    assert outcome.outcome == "failed"
    assert "circle" in outcome.message
    assert len(mailgun.requests) == 2
    assert raw.ids() == ["a"]


def test_page_without_a_next_one_is_the_last(mailgun: Host, raw: Raw) -> None:
    mailgun.script = [Answer(page([event("a")]))]

    assert run().outcome == "ok"
    assert raw.ids() == ["a"]


def test_pages_of_one_run_are_bounded(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_PAGES", 2)
    mailgun.pages(*([event(str(n), NOON + n)] for n in range(5)))

    outcome = run()

    assert outcome.outcome == "cut_short"
    assert raw.ids() == ["0", "1"]


def test_failing_domain_does_not_stop_the_others(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", '["gone.example", "D.example"]')

    def serve(path: str) -> Answer:
        if "gone" in path:
            return Answer(status=404)
        return Answer(page([event("a")] if "begin" in path else []))

    mailgun.script = [serve]

    outcomes = extract(["mailgun"])

    told = [(outcome.domain, outcome.outcome) for outcome in outcomes]
    assert told == [("gone.example", "failed"), ("d.example", "ok")]
    assert "EU and US" in outcomes[0].message
    assert raw.ids() == ["a"]


def test_domain_with_a_host_of_its_own_is_asked_there(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    netloc = mailgun.base_url.removeprefix("http://")
    monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", f"d.example@{netloc}")
    mailgun.pages([event("a")])

    run()

    assert raw.ids() == ["a"]


def test_budget_stops_after_a_page_and_the_next_run_goes_on(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__MAX_EVENTS", "3")
    items = [event(f"{n}", NOON + n) for n in range(8)]
    mailgun.script = [lambda path: serve_from(mailgun, items, path)]

    outcomes = [run() for _ in range(5)]

    assert [outcome.outcome for outcome in outcomes[:2]] == ["cut_short", "cut_short"]
    assert outcomes[-1].outcome == "ok"
    assert raw.ids() == [str(n) for n in range(8)]
    assert all(outcome.events <= 4 for outcome in outcomes)


def test_budget_goes_on_as_long_as_all_events_share_the_first_instant(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__MAX_EVENTS", "1")
    monkeypatch.setenv("SOURCES__MAILGUN__SINCE", "2026-03-01T12:00:00Z")
    items = [
        *(event(f"{n}") for n in range(5)),
        *(event(f"{n}", NOON + n) for n in range(5, 9)),
    ]
    mailgun.script = [lambda path: serve_from(mailgun, items, path)]

    outcome = run()

    # Pages of two; only the fourth has left the first instant behind.
    assert outcome.outcome == "cut_short"
    assert raw.ids() == [f"{n}" for n in range(8)]


def serve_from(host: Host, items: list[dict[str, Any]], path: str) -> Answer:
    """Pages of two events, from the window's begin on, like a real log."""
    begin, _, offset = path.partition("/page-")[2].partition("-")
    if not offset:
        begin = parse_qs(urlsplit(path).query)["begin"][0]
    due = [item for item in items if item["timestamp"] >= float(begin)]
    start = int(offset or 0)
    following = f"{host.base_url}/v3/d/events/page-{begin}-{start + 2}"
    return Answer(page(due[start : start + 2], following))


def _refuse(_: AppendOnceJob) -> None:
    raise DatabaseTerminalException(OSError("disk full"))


def test_long_read_is_loaded_in_parts_and_each_saves_the_cursor(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ROW_GROUP", 3)
    monkeypatch.setattr(lanes, "TOGETHER", 1)
    items = [event(f"{n}", NOON + n) for n in range(10)]
    pages = [items[n : n + 2] for n in range(0, 10, 2)]
    # Each page serves the last event of the one before it again.
    mailgun.pages(*(pages[n - 1][-1:] + pages[n] if n else pages[0] for n in range(5)))

    outcome = run()

    assert (outcome.loaded, outcome.repeated) == (10, 4)
    assert raw.ids() == [str(n) for n in range(10)]
    parts = raw.rows(
        "select _dlt_load_id, count(*), max(occurred_at) from mailgun_events"
        " group by 1 order by 1"
    )
    assert [count for _, count, _ in parts] == [4, 4, 2]
    assert raw.row("select count(*), min(events) from lane_runs") == (1, 10)
    states = raw.rows(
        "select _dlt_load_id from _dlt_pipeline_state order by _dlt_load_id"
    )
    assert states == [(load,) for load, _, _ in parts]


def test_part_that_cannot_be_loaded_stops_the_read_and_is_loaded_next_time(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ROW_GROUP", 2)
    monkeypatch.setattr(lanes, "TOGETHER", 1)
    mailgun.pages(
        *([event(f"{n}", NOON + n), event(f"{n}x", NOON + n)] for n in range(5))
    )
    with monkeypatch.context() as broken:
        broken.setattr(AppendOnceJob, "run", _refuse)
        with pytest.raises(LoadError, match="the next run tries again"):
            run()

    run()

    assert len(raw.ids()) == 10
    assert raw.row("select sum(loaded) from requests") == (10,)


def test_progress_is_told_after_each_page(mailgun: Host) -> None:
    mailgun.pages([event("a")], [event("b", NOON + 60), event("c", NOON + 60)])
    told: list[Progress] = []

    run(on_progress=told.append)

    assert [(p.domain, p.events, p.through) for p in told] == [
        ("d.example", 1, NOON_AT),
        ("d.example", 3, NOON_AT + timedelta(minutes=1)),
    ]
    assert {p.window_end for p in told} == {NOW - timedelta(minutes=1)}


def test_what_is_odd_about_kept_events_is_said(mailgun: Host, raw: Raw) -> None:
    mailgun.pages([{**event("a"), "id": 7}])

    assert run().message == "kept 1 with an id that is a number"
    assert raw.ids() == ["7"]
