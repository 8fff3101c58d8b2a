"""Worlds of accounts in any of IANA's zones, with events where their days begin.

zones ──▶ moments: clock changes and midnights ──▶ events of accounts there
events ──▶ the same again, changed, moved, deleted ──▶ loads ──▶ builds
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from hypothesis import strategies as st
from oracle import zone
from worlds import Build, Load, Mode, Row, World, at

from extract.time_zones import local_days, zone_names

EVERY_ZONE = zone_names()
TRICKY_ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Vancouver",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
]
NO_ZONES = ["PST", "utc", "Mars/Base", "", None, "america/new_york", " UTC"]
"""What customers write, and engines partly take."""

YEARS = range(2001, 2033)
ACCOUNTS = [f"account-{number}" for number in range(8)]
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)

NAMES = [
    "conversation_resolved",
    "first_response",
    "reply_time",
    "conversation_bot_resolved",
    "conversation_bot_handoff",
    "conversation_bot_handoff",
    "agent_away",
    "Reply_Time",
]
"""The last two are no metric's."""

VALUES = [0.0, 0.1, 1 / 3, 60.25, 86_400.0, 1e7]

CHANGES: dict[str, list[str]] = {
    "sent again": [],
    "other value": ["value", "value_in_business_hours"],
    "other people": ["user_id", "inbox_id", "conversation_id"],
    "other moment": ["created_at"],
    "other account": ["account_id"],
    "other name": ["name"],
    "deleted or back": ["deleted_at"],
    "deleted and elsewhere": ["deleted_at", "account_id", "created_at"],
}
"""What becomes of an event that was written already: the columns that change."""


# Moments


@cache
def moments(name: str, year: int) -> list[datetime]:
    """The instants at which days begin or clocks change in a zone.

    Args:
        name: The zone's name.
        year: A UTC year; no instant lies within a microsecond of its ends.

    Returns:
        Each clock change of the year, both readings of each midnight around it, and
        those of a few common days.
    """
    local = zone(name)
    assert local is not None
    changes = clock_changes(name, year)
    dates = {(change + days * DAY).date() for change in changes for days in (-1, 0, 1)}
    dates |= {date(year, 1, 1), date(year, 3, 1), date(year, 7, 15), date(year, 12, 31)}
    midnights = {
        datetime(*day.timetuple()[:3], fold=fold, tzinfo=local).astimezone(UTC)
        for day in dates
        for fold in (0, 1)
    }
    return sorted(
        moment
        for moment in midnights.union(changes)
        if (moment - MICROSECOND).year == year == (moment + MICROSECOND).year
    )


@cache
def clock_changes(name: str, year: int) -> list[datetime]:
    """The instants of a UTC year from which a zone's clock shows another offset."""
    local = zone(name)
    assert local is not None
    noons = [at(f"{year}-01-01T12:00:00") + days * DAY for days in range(365)]
    changes = []
    for before, after in pairwise(noons):
        early, late = before, after
        while _offset(local, early) != _offset(local, late):
            if late - early <= timedelta(seconds=1):
                changes.append(late)
                break
            middle = early + timedelta(seconds=(late - early).total_seconds() // 2)
            is_same = _offset(local, middle) == _offset(local, early)
            early, late = (middle, late) if is_same else (early, middle)
    return changes


def _offset(local: Any, instant: datetime) -> timedelta | None:
    return instant.astimezone(local).utcoffset()


def zone_days(zones: Sequence[str | None], years: Sequence[int]) -> dict[int, pa.Table]:
    """The local days of these zones by year, each with those running as it begins."""
    names = pa.array([name for name in EVERY_ZONE if name in zones], pa.string())
    return {
        year: days.filter(
            (pc.field("timezone").isin(names))
            & (pc.field("starts_at") > at(f"{year}-01-01T00:00:00") - 3 * DAY)
        )
        for year in years
        for days in (_days_through(year),)
    }


@lru_cache(maxsize=4)
def _days_through(year: int) -> pa.Table:
    return pa.concat_tables(local_days([year - 1, year]))


# Worlds

MODES: list[Mode] = ["tables", "tables", "tables", "all", "part", "whole"]
PARTS = [
    "fct_reporting_events",
    "+fct_reporting_events",
    "fct_reporting_events+",
    "+fct_reporting_rollups",
    "+fct_handoff_conversations",
    "+fct_conversation_outcomes",
    "fct_reporting_rollups fct_conversation_outcomes",
]


def _one_in(many: int) -> st.SearchStrategy[bool]:
    return st.integers(0, many - 1).map(lambda drawn: drawn == many - 1)


def _maybe(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([*values, *values, *values, None])


@st.composite
def reporting_worlds(draw: st.DrawFn, *, most_builds: int = 3) -> World:
    """Worlds of a few hundred events.

    Args:
        draw: Draws from a strategy.
        most_builds: Builds at most; two at least.
    """
    count = draw(st.integers(2, most_builds))
    more = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3))
    before = sorted([*range(count), *more])  # each build finds something new
    years = draw(st.lists(st.sampled_from(YEARS), min_size=1, max_size=2, unique=True))
    loads = []
    for number, build in enumerate(before):
        late = draw(st.integers(1, 2)) if draw(_one_in(5)) else 0
        brought = years[: draw(st.integers(0, 2))] if number == 0 else years
        loads.append(Load(number, min(build + late, count), [], {}, {}, brought))
    _deal_events(draw, loads, _deal_accounts(draw, loads), years)
    starts_built = draw(st.booleans())
    builds = []
    for number in range(count):
        mode = draw(st.sampled_from(MODES)) if starts_built or number else "all"
        written = [load for load in loads if before[load.number] == number]
        selection = draw(st.sampled_from(PARTS)) if mode == "part" else ""
        builds.append(Build(written, mode, selection))
    return World(starts_built, days_pass=draw(st.booleans()), builds=builds)


def _deal_accounts(draw: st.DrawFn, loads: list[Load]) -> dict[str, list[str]]:
    """Deals accounts and their changes to loads; returns the zones of each."""
    zones = draw(
        st.lists(
            st.one_of(st.sampled_from(EVERY_ZONE), st.sampled_from(TRICKY_ZONES)),
            min_size=8,
            max_size=14,
            unique=True,
        )
    )
    wrong = [*NO_ZONES, *(name.lower() for name in zones)]
    names: dict[str, list[str]] = {}
    for account_id in ACCOUNTS:
        for _ in range(draw(st.integers(1, 3))):
            is_bad = draw(_one_in(6))
            name = draw(st.sampled_from(wrong if is_bad else zones))
            names.setdefault(account_id, []).extend([] if is_bad else [str(name)])
            load = draw(st.sampled_from(loads))
            row = {
                "account_id": account_id,
                "reporting_timezone": name,
                "sending_domain": None,
            }
            load.app.setdefault("accounts", []).append(
                _written(row, load, is_deleted=draw(_one_in(10)))
            )
    return {account_id: own or zones[:1] for account_id, own in names.items()}


def _deal_events(
    draw: st.DrawFn, loads: list[Load], zones: dict[str, list[str]], years: list[int]
) -> None:
    """Deals events to loads: new ones, and what became of those written before."""
    crowded = {
        account_id: draw(
            st.lists(
                st.sampled_from(
                    [
                        moment
                        for name in own
                        for y in years
                        for moment in moments(name, y)
                    ]
                ),
                min_size=2,
                max_size=3,
                unique=True,
            )
        )
        for account_id, own in zones.items()
    }
    crowded["unknown"] = crowded[ACCOUNTS[0]]
    written: dict[str, Row] = {}
    for load in loads:
        for _ in range(draw(st.integers(40, 80))):
            row = draw(_events(crowded))
            if written and draw(_one_in(3)):
                event_id = draw(st.sampled_from(list(written)))
                changed = CHANGES[draw(st.sampled_from(list(CHANGES)))]
                row = written[event_id] | {name: row[name] for name in changed}
            else:
                row["event_id"] = f"event-{len(written)}"
            written[row["event_id"]] = row
            load.app.setdefault("reporting_events", []).append(
                _written(row, load, is_deleted=row["deleted_at"] is not None)
            )


@st.composite
def _events(draw: st.DrawFn, crowded: dict[str, list[datetime]]) -> Row:
    account_id = draw(st.sampled_from(list(crowded)))
    moment = draw(st.sampled_from(crowded[account_id]))
    is_deleted = draw(_one_in(8))
    return {
        "account_id": None if draw(_one_in(50)) else account_id,
        "name": None if draw(_one_in(99)) else draw(st.sampled_from(NAMES)),
        "created_at": moment + draw(st.sampled_from([0, -1, 1])) * MICROSECOND,
        "value": draw(_maybe(VALUES)),
        "value_in_business_hours": draw(_maybe(VALUES)),
        "user_id": draw(_maybe(["ann", "bo"])),
        "inbox_id": draw(_maybe(["mail", "chat"])),
        "conversation_id": draw(_maybe(["c1", "c2", "c3"])),
        "deleted_at": moment if is_deleted else None,
    }


def _written(row: Row, load: Load, *, is_deleted: bool) -> Row:
    """A row as a load writes it."""
    written_at = at("2033-01-01T00:00:00") + timedelta(minutes=load.number)
    return {
        **row,
        "updated_at": written_at,
        "deleted_at": written_at if is_deleted else None,
    }
