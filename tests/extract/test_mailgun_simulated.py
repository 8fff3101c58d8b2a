"""A whole world from the stand-in: nothing lost, nothing twice, all accounted for."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from raw_reader import Raw

from extract import http, lanes
from extract.pipeline import check_mailgun, extract
from simulator import Simulator, Spec, serve
from simulator.world import World

SPEC = Spec(
    seed=5,
    days=4,
    accounts=2,
    emails=8,
    recipients_per_email=50,
    text_timestamps=0.05,
    hostile=0.02,
)
AFTER = datetime(2026, 3, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return World(SPEC)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Simulator]:
    with serve(SPEC) as running:
        yield running


@pytest.fixture
def configured(
    stand_in: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Simulator:
    """The stand-in, undisturbed, as the host that is read."""
    assert not home.exists()
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", stand_in.api_key)
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", ",".join(stand_in.domains))
    monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", stand_in.base_url)
    monkeypatch.setenv("SOURCES__MAILGUN__SINCE", SPEC.begin.isoformat())
    monkeypatch.setenv("TALLYBOOK_NOW", AFTER.isoformat())
    monkeypatch.setattr(http, "PATIENCE", http.Patience(12, 0.001, 0.01))
    stand_in.control(
        now=AFTER,
        too_many_requests=0.0,
        server_errors=0.0,
        resets=0.0,
        truncated=0.0,
        repeated=0.0,
        reordered=0.0,
    )
    return stand_in


def assert_tallies(raw: Raw, world: World) -> None:
    """Raw holds what is true of the world, once."""
    counts = raw.rows(
        "select domain, occurred_at::date, event_name, count(*)"
        " from mailgun_events group by all"
    )
    expected = world.truth().counts
    assert {(domain, day, name): n for domain, day, name, n in counts} == expected
    assert raw.row(
        "select count(*) - count(distinct event_key) from mailgun_events"
    ) == (0,)
    assert raw.row(
        "select bool_and(events = loaded + repeated + dead), sum(loaded), sum(dead)"
        " from requests"
    ) == (True, sum(expected.values()), len(world.truth().dead_letters))


@pytest.mark.usefixtures("configured")
def test_hostile_world_is_loaded_whole_with_its_dead_letters(
    raw: Raw, world: World
) -> None:
    outcomes = extract(["mailgun"])

    assert {outcome.outcome for outcome in outcomes} == {"ok"}
    assert_tallies(raw, world)
    dead = world.truth().dead_letters
    reasons = raw.rows("select reason, count(*) from dead_letters group by all")
    assert dict(reasons) == Counter(odd.dead_letter_reason for odd in dead)
    kept = {odd.event_id for odd in world.truth().oddities} - {
        odd.event_id for odd in dead
    }
    assert kept <= set(raw.ids())
    # Whatever was odd, DuckDB can read every body.
    assert (
        raw.row("select count(*) from mailgun_events where not json_valid(payload)")[0]
        == 0
    )


def test_host_in_trouble_loses_nothing_and_doubles_nothing(
    configured: Simulator, raw: Raw, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ROW_GROUP", 200)
    monkeypatch.setattr(lanes, "TOGETHER", 1)
    configured.control(
        too_many_requests=0.1,
        retry_after=0,
        server_errors=0.1,
        resets=0.1,
        truncated=0.1,
        repeated=0.3,
        reordered=0.3,
    )

    outcomes = extract(["mailgun"])

    assert {outcome.outcome for outcome in outcomes} == {"ok"}
    assert sum(outcome.repeated for outcome in outcomes) > 0
    assert_tallies(raw, world)
    assert len(raw.rows("select * from _dlt_loads")) > len(outcomes)


def test_ticks_of_a_day_find_what_was_stored_late(
    configured: Simulator, raw: Raw, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (*range(0, 96, 16), 120):
        now = datetime(2026, 3, 1 + hour // 24, hour % 24, 30, tzinfo=UTC)
        configured.control(now=now)
        monkeypatch.setenv("TALLYBOOK_NOW", now.isoformat())
        extract(["mailgun"])

    assert_tallies(raw, world)


@pytest.mark.usefixtures("configured")
def test_the_check_of_the_settings_reaches_every_domain(stand_in: Simulator) -> None:
    found = check_mailgun()

    assert [(check.domain, check.ok) for check in found] == [
        (domain, True) for domain in stand_in.domains
    ]
