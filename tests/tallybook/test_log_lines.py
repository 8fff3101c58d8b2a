"""One line for each thing: what was read, what was rebuilt, what is wrong."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from extract.pipeline import Outcome
from tallybook.builds import Build, Finding, Rebuilt, RebuiltDays
from tallybook.forget import Report
from tallybook.log_lines import LogLines
from tallybook.publish import Publication

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def log(lines: list[str]) -> LogLines:
    return LogLines(lambda text: lines.append(text.partition(" ")[2]))


def test_a_lane_says_its_window_and_what_came_of_it(
    log: LogLines, lines: list[str]
) -> None:
    log.extracted(
        [
            Outcome(
                *("mailgun", "a.example", "latest", NOON, NOON, NOON, 300, 298, 2, 0),
                "cut_short",
                'stopped: "budget"',
            )
        ]
    )

    assert lines == [
        "lane source=mailgun domain=a.example lane=latest outcome=cut_short "
        "begin=2026-03-01T12:00:00Z end=2026-03-01T12:00:00Z "
        "cursor=2026-03-01T12:00:00Z events=300 new=298 repeats=2 dead=0 "
        r'message="stopped: \"budget\""'
    ]


def test_what_is_skipped_is_said_once_and_a_source_without_news_not_at_all(
    log: LogLines, lines: list[str]
) -> None:
    skipped = Outcome("app", outcome="skipped", message="app is skipped: set it")
    for _ in range(3):
        log.extracted([skipped, Outcome("time_zones")])

    assert lines == [
        "source source=app outcome=skipped events=0 new=0 repeats=0 dead=0 "
        'message="app is skipped: set it"'
    ]


def test_a_build_says_which_days_it_built_and_warns_once(
    log: LogLines, lines: list[str]
) -> None:
    days = RebuiltDays("acc", 2, date(2026, 2, 28), date(2026, 3, 1), "new events")
    rebuilt = Rebuilt(
        *("fct_delivery_daily", "touched", "", 2, 7, 9),
        *(date(2026, 2, 28), date(2026, 3, 1), (days,)),
    )
    warning = Finding("a_promise", "test", "Got 3 results", 3)
    failure = Finding("a_vow", "test", "Got 1 result", 1)
    for _ in range(2):
        log.built(
            Build("id", NOON, 2.0, 5, 7, 0, (warning,), (failure,), (), (rebuilt,))
        )

    once = [
        "build seconds=2.0 passed=7 warned=1 failed=1 errors=0",
        "rebuilt model=fct_delivery_daily mode=touched groups=2 added=9 removed=7 "
        "first_day=2026-02-28 last_day=2026-03-01",
        "days model=fct_delivery_daily account=acc days=2 first=2026-02-28 "
        'last=2026-03-01 because="new events"',
        'error test=a_vow rows=1 message="Got 1 result"',
    ]
    assert lines == [
        *once,
        'warning test=a_promise rows=3 message="Got 3 results"',
        *once,
    ]


def test_what_forgetting_waits_for_is_said_once(
    log: LogLines, lines: list[str]
) -> None:
    waiting = Report(("a@forgotten.invalid",), waits_for=("1.segment: read",))
    begun = replace(waiting, rows={"raw.app_members": 1})
    for report in (begun, waiting, waiting, replace(waiting, waits_for=()), waiting):
        log.forgot(report)

    waits = 'tokens=a@forgotten.invalid rows={} waits_for="1.segment: read"'
    assert lines == [
        f"forgetting {waits.format(1)}",
        "forgot tokens=a@forgotten.invalid rows=0",
        f"forgetting {waits.format(0)}",
    ]


def test_what_analysts_see_is_said(log: LogLines, lines: list[str]) -> None:
    log.published(Publication(Path("x"), NOON, (), 611, 0.204))
    log.unpublished()

    assert lines == [
        "published rows=611 seconds=0.2",
        'unpublished message="analysts keep the last state that passed"',
    ]
