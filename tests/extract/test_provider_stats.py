"""Mailgun's own counts: which days are asked for, how often, and what goes wrong."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest
from mailgun_host import Answer, Host, event
from raw_reader import Raw

from extract.pipeline import Memory, extract
from extract.provider_stats import EVERY, Question, question
from extract.tables import PROVIDER_STATS
from extract.windows import DAY

HOUR = 3_600_000_000

TOLD = b"""{"description": "", "start": "x", "end": "y", "resolution": "day", "stats": [
  {"time": "Sat, 28 Feb 2026 00:00:00 UTC", "accepted": {"total": 9}},
  {"time": "Sun, 01 Mar 2026 00:00:00 UTC",
   "accepted": {"incoming": 0, "outgoing": 3, "total": 3},
   "failed": {"temporary": {"espblock": 0, "total": 2},
              "permanent": {"bounce": 5, "total": 5}},
   "opened": {"total": 0}}]}"""


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**6


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    """A warehouse with the table of counts."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'; create schema raw")
    con.execute(PROVIDER_STATS.create(compressed=False))
    return con


def asked(
    con: duckdb.DuckDBPyConnection, now: str, asked_at: int | None = None
) -> Question | None:
    return question(
        con,
        "d.example",
        us(now),
        trust_window=3_600,
        since=us("2026-03-01T10:00:00"),
        asked_at=asked_at,
    )


def told(con: duckdb.DuckDBPyConnection, day: str, as_of: str) -> None:
    con.execute(
        "insert into raw.provider_stats values ('d.example', ?, 'opened', 1, ?, 'l')",
        [day, f"{as_of}+00:00"],
    )


def test_first_it_asks_about_all_days_of_ours(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert asked(warehouse, "2026-03-03T12:00:00") == Question(
        "d.example", date(2026, 3, 1), date(2026, 3, 3)
    )


def test_a_day_is_final_once_it_was_asked_for_after_the_trust_window(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    told(warehouse, "2026-03-01", "2026-03-02 01:00:00")
    told(warehouse, "2026-03-02", "2026-03-03 00:59:59")

    assert asked(warehouse, "2026-03-03T12:00:00") == Question(
        "d.example", date(2026, 3, 2), date(2026, 3, 3)
    )


def test_it_does_not_ask_again_before_a_while_has_passed(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    now = us("2026-03-03T12:00:00")
    told(warehouse, "2026-03-03", "2026-03-03 11:50:00")
    assert asked(warehouse, "2026-03-03T12:00:00") is None
    assert asked(warehouse, "2026-03-03T12:05:00") is not None

    assert asked(warehouse, "2026-03-03T12:05:00", now) is None, "it was refused"
    assert asked(warehouse, "2026-03-03T12:05:00", now - EVERY) is not None
    assert now % DAY == 12 * HOUR


def test_counts_are_loaded_once_and_replaced_by_newer_ones(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailgun.pages([event("a")])
    mailgun.statistics = Answer(TOLD)
    query = "select day, event_name, count from provider_stats order by all"

    extract(["mailgun"])
    extract(["mailgun"])
    before = raw.rows(query)
    mailgun.statistics = Answer(TOLD.replace(b'"total": 3', b'"total": 4'))
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-01T15:15:00Z")
    extract(["mailgun"])

    day = date(2026, 3, 1)
    assert before == [(day, "accepted", 3), (day, "failed", 7), (day, "opened", 0)]
    assert raw.rows(query) == [
        (day, "accepted", 4),
        (day, "failed", 7),
        (day, "opened", 0),
    ]
    assert len(mailgun.statistics_requests) == 2
    address = urlsplit(mailgun.statistics_requests[0].path)
    assert address.path == "/v3/d.example/stats/total"
    query_asked = parse_qs(address.query)
    assert query_asked["resolution"] == ["day"]
    assert (
        query_asked["start"] == query_asked["end"] == [str(us("2026-03-01") // 10**6)]
    )


@pytest.mark.parametrize(
    "answer", [Answer(status=403), Answer(status=503), Answer(b"<html>"), Answer(b"[]")]
)
def test_counts_that_cannot_be_had_are_said_and_stop_nobody(
    answer: Answer, mailgun: Host, raw: Raw
) -> None:
    mailgun.pages([event("a")])
    mailgun.statistics = answer
    memory = Memory()

    outcomes = extract(["mailgun"], memory=memory)
    again = extract(["mailgun"], memory=memory)

    (said,) = [one for one in outcomes if one.lane == "statistics"]
    assert said.outcome == "skipped"
    assert "no statistics of d.example to compare with" in said.message
    assert raw.ids() == ["a"]
    assert [one for one in again if one.lane == "statistics"] == []
    assert len(mailgun.statistics_requests) == 1
