"""The Logs API: another way to ask, the same rows under the same keys."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mailgun_host import NOON, Answer, Host, compact, event
from raw_reader import Raw

from extract import http
from extract.home import home
from extract.pipeline import check_mailgun, extract
from simulator import Simulator, Spec, serve

SPEC = Spec(seed=5, days=3, accounts=2, emails=8, recipients_per_email=40, hostile=0.02)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Simulator]:
    with serve(SPEC) as running:
        yield running


ROWS = """
    select event_key, domain, event_id, event_name, occurred_at, lane
    from mailgun_events order by event_key
"""


def test_both_apis_bring_the_same_rows_under_the_same_keys(
    stand_in: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", stand_in.api_key)
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", ",".join(stand_in.domains))
    monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", stand_in.base_url)
    monkeypatch.setenv("SOURCES__MAILGUN__SINCE", SPEC.begin.isoformat())
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-05T00:00:00Z")
    monkeypatch.setattr(http, "PATIENCE", http.Patience(12, 0.001, 0.01))
    stand_in.control(server_errors=0.1, truncated=0.1, repeated=0.1, reordered=0.1)
    rows, dead = {}, {}
    for api in ("events", "logs"):
        monkeypatch.setenv("SOURCES__MAILGUN__API", api)
        monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / api))
        outcomes = extract(["mailgun"])
        assert {outcome.outcome for outcome in outcomes} <= {"ok", "skipped"}
        raw = Raw(home())
        rows[api] = raw.rows(ROWS)
        dead[api] = raw.row("select count(*) from dead_letters")

    assert rows["logs"] == rows["events"]
    assert len(rows["logs"]) > 500
    assert dead["logs"] == dead["events"] != (0,)
    # The other API knows every row already.
    repeated = sum(o.repeated for o in extract(["mailgun"], everything=True))
    monkeypatch.setenv("SOURCES__MAILGUN__API", "events")
    again = extract(["mailgun"], everything=True)
    assert sum(outcome.loaded for outcome in again) == 0
    assert repeated >= len(rows["logs"])


@pytest.fixture
def logs(mailgun: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The scripted host, asked by the Logs API."""
    monkeypatch.setenv("SOURCES__MAILGUN__API", "logs")
    return mailgun


def logged(event_id: str, instant: Any, **fields: Any) -> dict[str, Any]:
    item = event(event_id, 0, **fields)
    del item["timestamp"]
    return {**item, "@timestamp": instant}


def log_page(*items: Any, following: str | None = None) -> Answer:
    return Answer(
        b'{"items":[%s],"pagination":%s}'
        % (b",".join(map(compact, items)), compact({"next": following}))
    )


def test_question_is_put_in_whole_seconds_and_goes_on_by_token(
    logs: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-01T15:00:00.250000Z")
    logs.script = [
        log_page(logged("a", "2026-03-01T12:00:00.000001Z"), following="t1"),
        log_page(logged("b", "2026-03-01T13:00:00.5+01:00"), following="t2"),
        log_page(following="t3"),
    ]

    [outcome] = extract(["mailgun"])

    assert (outcome.outcome, outcome.loaded) == ("ok", 2)
    asked = [json.loads(request.body) for request in logs.requests]
    assert {request.path for request in logs.requests} == {"/v1/analytics/logs"}
    assert asked[0]["start"] == "Sun, 01 Mar 2026 00:00:00 +0000"
    assert asked[0]["end"] == "Sun, 01 Mar 2026 14:59:01 +0000"
    assert [one["pagination"].get("token") for one in asked] == [None, "t1", "t2"]
    assert raw.rows("select event_key, occurred_at from mailgun_events order by 1") == [
        (
            "mailgun:d.example:2026-03-01:a",
            datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        ),
        (
            "mailgun:d.example:2026-03-01:b",
            datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC),
        ),
    ]


@pytest.mark.parametrize(
    ("instant", "reason"),
    [
        ("noon", "bad_timestamp"),
        ("2026-03-01T12:00:00", "bad_timestamp"),
        (NOON, "bad_timestamp"),
        ("1999-12-31T23:59:59Z", "timestamp_out_of_range"),
        (None, "missing_timestamp"),
    ],
)
def test_instant_that_is_none_is_a_dead_letter_and_its_neighbour_loads(
    logs: Host, raw: Raw, instant: Any, reason: str
) -> None:
    logs.script = [log_page(logged("x", instant), logged("a", "2026-03-01T12:00:00Z"))]

    extract(["mailgun"])

    assert raw.ids() == ["a"]
    assert raw.row("select reason from dead_letters") == (reason,)


def test_tokens_that_lead_in_a_circle_end(logs: Host, raw: Raw) -> None:
    logs.script = [log_page(logged("a", "2026-03-01T12:00:00Z"), following="t1")]

    [outcome] = extract(["mailgun"])

    assert outcome.outcome == "failed"
    assert "circle" in outcome.message
    assert raw.ids() == ["a"]


def test_answer_that_is_no_page_is_a_dead_letter(logs: Host, raw: Raw) -> None:
    logs.script = [Answer(b'{"message": "no"}')]

    [outcome] = extract(["mailgun"])

    assert (outcome.outcome, outcome.dead) == ("failed", 1)
    assert raw.row("select reason from dead_letters") == ("bad_page",)


def test_check_of_the_settings_asks_the_logs_api(logs: Host) -> None:
    logs.script = [log_page()]

    [found] = check_mailgun()

    assert found.ok
    assert json.loads(logs.requests[0].body)["pagination"]["limit"] == 1
