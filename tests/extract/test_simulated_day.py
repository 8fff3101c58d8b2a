"""A day at a provider that stores events late: polled over HTTP, none is missed.

The clock of both is stepped. What other ways of reading lose of the same day says
`python -m benchmarks.late_events`; that they do is tested here, or the rest would
prove nothing.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from raw_reader import Raw

from benchmarks.late_events import DAY, WAYS, lost, table
from extract import http
from extract.pipeline import Memory, extract
from extract.windows import SECOND
from simulator import Spec, serve
from simulator.world import World

PROOF = "TALLYBOOK_PROOF" in os.environ

MISHAPS = {
    "too_many_requests": 0.05,
    "retry_after": 0,
    "server_errors": 0.04,
    "resets": 0.03,
    "truncated": 0.03,
    "repeated": 0.02,
    "reordered": 0.1,
}
"""15 % of requests fail, 2 % of items are served again."""


@dataclass(frozen=True)
class Scene:
    """A world, and how it is polled.

    Attributes:
        spec: The world.
        minutes: From poll to poll.
        restarts_every: Polls after which the process forgets what it knew.
        mishaps: Of the host.
        api: Which of Mailgun's APIs is asked.
    """

    spec: Spec
    minutes: int = 10
    restarts_every: int = 1_000
    mishaps: dict[str, float] | None = None
    api: str = "events"


SMALL = replace(DAY, emails=12, recipients_per_email=60)
UNTIDY = replace(DAY, days=2, id_reuse=0.05, late_minutes=60.0, hostile=0.005)

SAMPLE = {
    "an untidy day, late by an hour": Scene(
        replace(SMALL, late_minutes=60.0, late=0.1, hostile=0.02),
        minutes=45,
        restarts_every=5,
        mishaps=MISHAPS,
    ),
}
WHOLE = {
    "late by half an hour": Scene(DAY),
    "late by an hour": Scene(replace(DAY, late_minutes=60.0)),
    "untidy, late by an hour": Scene(UNTIDY, restarts_every=7, mishaps=MISHAPS),
    "untidy, late by an hour, by the Logs API": Scene(
        UNTIDY, restarts_every=7, mishaps=MISHAPS, api="logs"
    ),
}


@pytest.mark.proof
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "scene",
    (WHOLE if PROOF else SAMPLE).values(),
    ids=(WHOLE if PROOF else SAMPLE).keys(),
)
def test_no_event_of_a_day_is_missed_and_none_is_there_twice(
    scene: Scene, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PATIENCE", http.Patience(12, 0.001, 0.01))
    monkeypatch.setenv("SOURCES__MAILGUN__API", scene.api)
    with serve(scene.spec, **(scene.mishaps or {})) as host:  # type: ignore[arg-type]
        monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", host.api_key)
        monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", ",".join(host.domains))
        monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", host.base_url)
        monkeypatch.setenv("SOURCES__MAILGUN__SINCE", scene.spec.begin.isoformat())
        memory = Memory()
        for number, now in enumerate(polls(scene)):
            host.control(now=now)
            monkeypatch.setenv("TALLYBOOK_NOW", now.isoformat())
            memory = Memory() if number % scene.restarts_every == 0 else memory
            outcomes = extract(["mailgun"], memory=memory)
            assert {outcome.outcome for outcome in outcomes} <= {"ok", "skipped"}

    world = World(scene.spec)
    counts = raw.rows(
        "select domain, cast(occurred_at as date), event_name, count(*)"
        " from mailgun_events group by all"
    )
    expected = Counter(world.truth().counts)
    missed = expected - Counter({row[:3]: row[3] for row in counts})
    assert missed == Counter()
    assert sum(row[3] for row in counts) == expected.total()
    assert raw.row("select count(distinct event_key) from mailgun_events") == (
        expected.total(),
    )
    assert raw.row("select sum(events - loaded - repeated - dead) from requests") == (
        0,
    )
    found = dict(raw.rows("select lane, count(*) from mailgun_events group by all"))
    assert found["missing"] > 0.2 * scene.spec.late * expected.total()


def polls(scene: Scene) -> Iterator[datetime]:
    """The world's length, and three hours to settle in."""
    now = scene.spec.begin
    end = scene.spec.begin + timedelta(days=scene.spec.days, hours=3)
    while now < end:
        now += timedelta(minutes=scene.minutes)
        yield now


@pytest.fixture(scope="module")
def late_by() -> Callable[[int], World]:
    worlds = {
        minutes: World(replace(SMALL, late=0.1, late_minutes=float(minutes)))
        for minutes in (30, 60)
    }
    return worlds.__getitem__


@pytest.mark.parametrize(
    ("way", "minutes", "loses"),
    [
        ("a plain cursor", 30, True),
        ("latest alone", 30, True),
        ("latest and missing, without settling", 30, True),
        ("latest and missing, trust window 30 min", 30, False),
        ("latest and missing, trust window 30 min", 60, True),
        ("latest and missing, trust window 60 min", 60, False),
    ],
)
def test_only_lanes_that_wait_for_the_storage_to_settle_lose_nothing(
    late_by: Callable[[int], World], way: str, minutes: int, loses: bool
) -> None:
    world = late_by(minutes)
    plan, trust_window = WAYS[way]
    log = world.log(world.domains[0])
    end = DAY.ends_at + 6 * 3_600 * SECOND

    count = lost(log, DAY.begins_at, end, plan, trust_window)

    assert (count > 0) == loses


def test_the_table_in_the_docs_is_what_the_day_loses() -> None:
    docs = Path(__file__).parents[2] / "docs" / "operations.md"

    assert table() in docs.read_text("utf-8")
