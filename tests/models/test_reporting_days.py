"""Days that are longer or shorter than others, worked out by hand, and every zone."""

from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from oracle import differences
from proof import PROOF, REPORTING, build
from replay import contents
from reporting_oracle import reporting_marts
from reporting_worlds import EVERY_ZONE, MICROSECOND, moments, zone_days
from warehouse import Warehouse
from worlds import Row, at

BOUNDARIES = """
America/New_York     2025-03-09 05:00  2025-03-08  2025-03-09  a day of 23 hours begins
America/New_York     2025-03-10 04:00  2025-03-09  2025-03-10  it ends
America/New_York     2025-11-02 04:00  2025-11-01  2025-11-02  a day of 25 hours begins
America/New_York     2025-11-02 06:00  2025-11-02  2025-11-02  01:00 comes again
America/New_York     2025-11-03 05:00  2025-11-02  2025-11-03  it ends
Australia/Lord_Howe  2025-10-04 13:30  2025-10-04  2025-10-05  23.5 hours begin
Australia/Lord_Howe  2025-10-05 13:00  2025-10-05  2025-10-06  it ends
Australia/Lord_Howe  2025-04-05 13:00  2025-04-05  2025-04-06  24.5 hours begin
Australia/Lord_Howe  2025-04-06 13:30  2025-04-06  2025-04-07  it ends
Pacific/Apia         2011-12-30 10:00  2011-12-29  2011-12-31  the 30th is left out
Pacific/Apia         2011-12-31 10:00  2011-12-31  2012-01-01  the 31st ends
Atlantic/Azores      2025-10-26 00:00  2025-10-25  2025-10-26  midnight
Atlantic/Azores      2025-10-26 01:00  2025-10-26  2025-10-26  midnight again
Atlantic/Azores      2025-10-27 01:00  2025-10-26  2025-10-27  25 hours after the first
Atlantic/Azores      2025-03-30 01:00  2025-03-29  2025-03-30  no midnight: it is 01:00
America/Havana       2025-11-02 04:00  2025-11-01  2025-11-02  midnight
America/Havana       2025-11-02 05:00  2025-11-02  2025-11-02  midnight again
America/Havana       2025-11-03 05:00  2025-11-02  2025-11-03  25 hours after the first
America/Havana       2025-03-09 05:00  2025-03-08  2025-03-09  no midnight: it is 01:00
America/Santiago     2025-09-07 04:00  2025-09-06  2025-09-07  no midnight: it is 01:00
America/Santiago     2025-09-08 03:00  2025-09-07  2025-09-08  23 hours later
America/Santiago     2025-04-06 03:00  2025-04-05  2025-04-05  24:00 is 23:00 again
America/Santiago     2025-04-06 04:00  2025-04-05  2025-04-06  midnight
Africa/Cairo         2025-04-24 22:00  2025-04-24  2025-04-25  no midnight: it is 01:00
Africa/Cairo         2025-04-25 21:00  2025-04-25  2025-04-26  23 hours later
Africa/Cairo         2025-10-30 21:00  2025-10-30  2025-10-30  24:00 is 23:00 again
Africa/Cairo         2025-10-30 22:00  2025-10-30  2025-10-31  midnight
America/Sao_Paulo    2018-11-04 03:00  2018-11-03  2018-11-04  no midnight: it is 01:00
America/Sao_Paulo    2018-11-05 02:00  2018-11-04  2018-11-05  23 hours later
America/Sao_Paulo    2018-02-18 02:00  2018-02-17  2018-02-17  24:00 is 23:00 again
America/Sao_Paulo    2018-02-18 03:00  2018-02-17  2018-02-18  midnight
America/St_Johns     2010-03-14 03:30  2010-03-13  2010-03-14  midnight
America/St_Johns     2010-03-14 03:31  2010-03-14  2010-03-14  00:01 is 01:01
America/St_Johns     2010-03-15 02:30  2010-03-14  2010-03-15  23 hours after midnight
America/St_Johns     2010-11-07 02:30  2010-11-06  2010-11-07  midnight, for a minute
America/St_Johns     2010-11-07 02:31  2010-11-07  2010-11-06  00:01 is 23:01 again
America/St_Johns     2010-11-07 03:30  2010-11-06  2010-11-07  midnight again
America/St_Johns     2010-11-08 03:30  2010-11-07  2010-11-08  24 hours later
Asia/Gaza            2010-03-26 22:00  2010-03-26  2010-03-27  midnight
Asia/Gaza            2010-03-26 22:01  2010-03-27  2010-03-27  00:01 is 01:01
Asia/Gaza            2010-03-27 21:00  2010-03-27  2010-03-28  23 hours after midnight
Asia/Gaza            2010-08-10 21:00  2010-08-10  2010-08-10  24:00 is 23:00 again
Asia/Gaza            2010-08-10 22:00  2010-08-10  2010-08-11  midnight
Asia/Gaza            2013-03-28 22:00  2013-03-28  2013-03-29  no midnight: it is 01:00
Asia/Kathmandu       2025-11-01 18:15  2025-11-01  2025-11-02  5:45 ahead
Pacific/Chatham      2025-04-05 10:15  2025-04-05  2025-04-06  13:45 ahead
Pacific/Chatham      2025-04-06 11:15  2025-04-06  2025-04-07  12:45 ahead, 25 h later
Pacific/Chatham      2025-09-27 11:15  2025-09-27  2025-09-28  12:45 ahead
Pacific/Chatham      2025-09-28 10:15  2025-09-28  2025-09-29  13:45 ahead, 23 h later
Pacific/Kiritimati   2024-12-31 10:00  2024-12-31  2025-01-01  14 ahead, a year begins
"""
"""Zone, instant in UTC, local date a microsecond before, local date from then on."""

LENGTHS = [
    ("America/New_York", "2025-03-09", 23 * 60),
    ("America/New_York", "2025-11-02", 25 * 60),
    ("Australia/Lord_Howe", "2025-10-05", 23 * 60 + 30),
    ("Australia/Lord_Howe", "2025-04-06", 24 * 60 + 30),
    ("Pacific/Apia", "2011-12-29", 24 * 60),
    ("Pacific/Apia", "2011-12-30", 0),
    ("Pacific/Apia", "2011-12-31", 24 * 60),
    ("Atlantic/Azores", "2025-10-26", 25 * 60),
    ("Atlantic/Azores", "2025-03-30", 23 * 60),
    ("America/Havana", "2025-11-02", 25 * 60),
    ("America/Santiago", "2025-09-07", 23 * 60),
    ("America/Santiago", "2025-04-05", 25 * 60),
    ("Africa/Cairo", "2025-04-25", 23 * 60),
    ("Africa/Cairo", "2025-10-30", 25 * 60),
    ("America/Sao_Paulo", "2018-11-04", 23 * 60),
    ("America/Sao_Paulo", "2018-02-17", 25 * 60),
    ("America/St_Johns", "2010-03-14", 23 * 60),
    ("America/St_Johns", "2010-11-06", 24 * 60 + 59),
    ("America/St_Johns", "2010-11-07", 1 + 24 * 60),
    ("Asia/Gaza", "2010-03-27", 23 * 60),
    ("Asia/Kathmandu", "2025-11-02", 24 * 60),
    ("Pacific/Chatham", "2025-04-06", 25 * 60),
    ("Pacific/Chatham", "2025-09-28", 23 * 60),
    ("Pacific/Kiritimati", "2025-01-01", 24 * 60),
]
"""Zone, local date, its minutes."""

MINUTE = timedelta(minutes=1)


class Boundary(NamedTuple):
    """A line of `BOUNDARIES`."""

    zone: str
    instant: str
    before: date
    then: date


def boundaries() -> list[Boundary]:
    found = []
    for line in BOUNDARIES.strip().splitlines():
        zone, day, time, before, then, *_ = line.split()
        dates = map(date.fromisoformat, (before, then))
        found.append(Boundary(zone, f"{day}T{time}:00", *dates))
    return found


def event(account_id: str, event_id: str, created_at: object) -> Row:
    return {
        "event_id": event_id,
        "account_id": account_id,
        "name": "reply_time",
        "value": 1.0,
        "created_at": created_at,
    }


def minutes_around(zone: str, day: str) -> list[Row]:
    """An event at each minute that some zone might call this day."""
    noon = at(f"{day}T12:00:00")
    return [
        event(f"{zone} {day}", f"{zone} {day} {minute}", noon + minute * MINUTE)
        for minute in range(-27 * 60, 27 * 60)
    ]


@pytest.fixture(scope="module")
def named_days(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Events around every boundary, and at each minute of some days, built once."""
    warehouse = Warehouse(tmp_path_factory.mktemp("days"), like=built)
    zones = dict.fromkeys(boundary.zone for boundary in boundaries())
    for days in zone_days(
        list(zones), [2010, 2011, 2012, 2013, 2018, 2024, 2025]
    ).values():
        warehouse.load_zones(days)
    events = []
    for zone, instant, *_ in boundaries():
        events.append(event(zone, f"{zone} {instant}", at(instant)))
        before = f"{zone} before {instant}"
        events.append(event(zone, before, at(instant) - MICROSECOND))
    for zone, day, _ in LENGTHS:
        events += minutes_around(zone, day)
    accounts = [{"account_id": zone, "reporting_timezone": zone} for zone in zones]
    accounts += [
        {"account_id": f"{zone} {day}", "reporting_timezone": zone}
        for zone, day, _ in LENGTHS
    ]
    warehouse.load(accounts=accounts, reporting_events=events)
    build(warehouse, *REPORTING)
    return warehouse


@pytest.fixture(scope="module")
def dates(named_days: Warehouse) -> dict[str, date]:
    """The local date of each event, by its id."""
    return {
        row["event_id"]: row["date"] for row in named_days.mart("fct_reporting_events")
    }


@pytest.fixture(scope="module")
def replies(named_days: Warehouse) -> dict[tuple[str, date], int]:
    """The replies of each account and day, as its rollup counts them."""
    return {
        (row["account_id"], row["date"]): row["count"]
        for row in named_days.mart("fct_reporting_rollups")
        if row["dimension_type"] == "account"
    }


@pytest.mark.parametrize(
    "boundary", boundaries(), ids=lambda b: f"{b.zone} {b.instant}"
)
def test_a_day_begins_where_the_clock_of_the_zone_says_to_the_microsecond(
    dates: dict[str, date], boundary: Boundary
) -> None:
    zone, instant, before, then = boundary
    assert dates[f"{zone} before {instant}"] == before
    assert dates[f"{zone} {instant}"] == then


def test_the_rollups_count_each_event_on_its_day(
    replies: dict[tuple[str, date], int],
) -> None:
    expected: dict[tuple[str, date], int] = defaultdict(int)
    for zone, _, before, then in boundaries():
        expected[zone, before] += 1
        expected[zone, then] += 1
    assert {key: n for key, n in replies.items() if " " not in key[0]} == expected


@pytest.mark.parametrize(("zone", "day", "minutes"), LENGTHS)
def test_a_day_has_all_its_minutes_and_no_other(
    replies: dict[tuple[str, date], int], zone: str, day: str, minutes: int
) -> None:
    assert replies.get((f"{zone} {day}", date.fromisoformat(day)), 0) == minutes


def test_every_minute_is_in_exactly_one_day(
    replies: dict[tuple[str, date], int],
) -> None:
    counted = sum(n for (account_id, _), n in replies.items() if " " in account_id)
    assert counted == len(LENGTHS) * 54 * 60


@pytest.mark.proof
@pytest.mark.parametrize("year", range(2001, 2037) if PROOF else [2010, 2026])
def test_every_zone_of_iana_draws_its_days_as_zoneinfo_does(
    built: Path, tmp_path: Path, year: int
) -> None:
    warehouse = Warehouse(tmp_path / "home", like=built)
    warehouse.load_zones(zone_days(EVERY_ZONE, [year])[year])
    accounts = [{"account_id": name, "reporting_timezone": name} for name in EVERY_ZONE]
    events = [
        event(name, f"{name} {moment} {step}", moment + step * MICROSECOND)
        for name in EVERY_ZONE
        for moment in moments(name, year)
        for step in (-1, 0, 1)
    ]
    warehouse.load(accounts=accounts, reporting_events=events)
    build(warehouse, *REPORTING)
    expected = reporting_marts(accounts, events, {year})
    assert len(expected["fct_reporting_events"]) == len(events)
    assert not differences(expected, contents(warehouse))
