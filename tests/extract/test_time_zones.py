"""Local days of every zone, against what zoneinfo says of single instants."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extract import time_zones

YEARS = range(2008, 2028)
"""Enough for the odd days below: St. John's 00:01, Apia's missing day, Gaza."""


@cache
def all_days() -> duckdb.DuckDBPyConnection:
    """The local days of `YEARS`, made once for all tests of this file."""
    made = duckdb.connect()
    made.execute("set timezone = 'UTC'")
    made.register("arrow", pa.concat_tables(time_zones.local_days(YEARS)))
    made.execute("create table days as select * from arrow order by timezone")
    return made


def on(zone: str, day: str) -> list[tuple[str, float]]:
    """A date's intervals: start in UTC, and length in hours."""
    rows = all_days().execute(
        "select starts_at, ends_at from days where timezone = $zone"
        " and local_date = $day order by starts_at",
        {"zone": zone, "day": date.fromisoformat(day)},
    )
    return [
        (f"{start.astimezone(UTC):%d %H:%M}", (end - start) / timedelta(hours=1))
        for start, end in rows.fetchall()
    ]


@cache
def changes_of(zone: str) -> list[datetime]:
    """When a zone's clock was changed, found day by day and then to the second."""
    clock = time_zones.zone_of(time_zones.zone_file(zone))

    def offset(at: int) -> timedelta | None:
        return datetime.fromtimestamp(at, clock).utcoffset()

    begin = int(datetime(YEARS[0], 1, 2, tzinfo=UTC).timestamp())
    found = []
    for before in range(begin, begin + len(YEARS) * 365 * 86_400, 86_400):
        low, high = before, before + 86_400
        if offset(low) == offset(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if offset(middle) == offset(before):
                low = middle
            else:
                high = middle
        found.append(datetime.fromtimestamp(high, UTC))
    return found


@st.composite
def zones_and_instants(draw: st.DrawFn) -> tuple[str, datetime]:
    """Any instant, but most often one near midnight on a day of a clock change."""
    zone = draw(st.sampled_from(time_zones.zone_names()))
    first = datetime(YEARS[0], 1, 2, tzinfo=UTC)
    last = datetime(YEARS[-1], 12, 31, tzinfo=UTC)
    changes = changes_of(zone)
    if changes and draw(st.integers(0, 3)):
        at = draw(st.sampled_from(changes))
        seconds = st.integers(-90_000, 90_000) | st.integers(-3_700, 3_700)
        quarter = st.integers(-100, 100).map(lambda quarters: quarters * 900)
        at += timedelta(seconds=draw(seconds | quarter))
        at += timedelta(microseconds=draw(st.sampled_from([-1, 0, 1, 999_999])))
        return zone, min(max(at, first), last)
    moment = st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None))
    return zone, draw(moment).replace(tzinfo=UTC)


@given(zones_and_instants())
@example(("Pacific/Apia", datetime(2011, 12, 30, 9, 59, 59, 999_999, tzinfo=UTC)))
@example(("America/St_Johns", datetime(2010, 11, 7, 2, 31, tzinfo=UTC)))
@settings(
    max_examples=10_000 if os.environ.get("TALLYBOOK_PROOF") else 400, deadline=None
)
def test_every_instant_is_in_exactly_one_interval_and_that_has_its_local_date(
    case: tuple[str, datetime],
) -> None:
    zone, instant = case
    holding = all_days().execute(
        "select local_date from days where timezone = $zone"
        " and starts_at <= $instant and $instant < ends_at",
        {"zone": zone, "instant": instant},
    )

    clock = time_zones.zone_of(time_zones.zone_file(zone))
    assert holding.fetchall() == [(instant.astimezone(clock).date(),)]


def test_each_interval_ends_where_the_next_begins_and_dates_alternate() -> None:
    bad = (
        all_days()
        .execute(
            """
            select * from (
                select
                    *,
                    lead(starts_at) over zone as next_start,
                    lead(local_date) over zone as next_date
                from days
                window zone as (partition by timezone order by starts_at)
            )
            where next_start <> ends_at or next_date = local_date
                or ends_at <= starts_at
            """
        )
        .fetchall()
    )
    zones = all_days().execute("select count(distinct timezone) from days").fetchone()

    assert bad == []
    assert zones == (len(time_zones.zone_names()),)


def test_no_change_of_a_yearly_rule_is_missed_when_looked_for_hour_by_hour() -> None:
    """Two changes within a week would hide from the weekly look."""
    begin = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    end = begin + 366 * time_zones.DAY
    for data in {time_zones.zone_file(name) for name in time_zones.zone_names()}:
        clock = time_zones.zone_of(data)
        offsets = [
            datetime.fromtimestamp(at, clock).utcoffset()
            for at in range(begin, end, 6 * 3_600)
        ]
        changes = sum(a != b for a, b in pairwise(offsets))

        assert len(time_zones._spans_of_one_offset(data, begin, end)) == changes + 1


@pytest.mark.parametrize(
    ("zone", "day", "intervals"),
    [
        pytest.param("UTC", "2026-03-01", [("01 00:00", 24)], id="a plain day"),
        pytest.param(
            "America/New_York", "2026-03-08", [("08 05:00", 23)], id="New York: 23 h"
        ),
        pytest.param(
            "America/New_York", "2026-11-01", [("01 04:00", 25)], id="New York: 25 h"
        ),
        pytest.param(
            "Australia/Lord_Howe",
            "2026-10-04",
            [("03 13:30", 23.5)],
            id="Lord Howe: 23.5 h",
        ),
        pytest.param(
            "Australia/Lord_Howe",
            "2026-04-05",
            [("04 13:00", 24.5)],
            id="Lord Howe: 24.5 h",
        ),
        pytest.param("Pacific/Apia", "2011-12-30", [], id="Apia: no such day"),
        pytest.param(
            "Pacific/Apia", "2011-12-31", [("30 10:00", 24)], id="Apia: the day after"
        ),
        pytest.param(
            "Atlantic/Azores",
            "2025-10-26",
            [("26 00:00", 25)],
            id="Azores: midnight comes twice, and both hours are of the day",
        ),
        pytest.param(
            "America/Havana",
            "2025-11-02",
            [("02 04:00", 25)],
            id="Havana: one o'clock turns back to midnight",
        ),
        pytest.param(
            "America/Sao_Paulo",
            "2018-11-04",
            [("04 03:00", 23)],
            id="São Paulo: no midnight",
        ),
        pytest.param(
            "America/Santiago",
            "2025-09-07",
            [("07 04:00", 23)],
            id="Santiago: no midnight",
        ),
        pytest.param(
            "America/Santiago",
            "2025-04-05",
            [("05 03:00", 25)],
            id="Santiago: midnight turns back into the day before",
        ),
        pytest.param(
            "Africa/Cairo", "2025-04-25", [("24 22:00", 23)], id="Cairo: no midnight"
        ),
        pytest.param(
            "America/St_Johns",
            "2010-03-14",
            [("14 03:30", 23)],
            id="St. John's: forward at 00:01",
        ),
        pytest.param(
            "America/St_Johns",
            "2010-11-06",
            [("06 02:30", 24), ("07 02:31", 59 / 60)],
            id="St. John's: back at 00:01, into the day before, for 59 minutes",
        ),
        pytest.param(
            "America/St_Johns",
            "2010-11-07",
            [("07 02:30", 1 / 60), ("07 03:30", 24)],
            id="St. John's: a day of one minute, and again an hour later",
        ),
        pytest.param(
            "Asia/Gaza", "2011-04-01", [("31 22:00", 23)], id="Gaza: forward at 00:01"
        ),
        pytest.param(
            "Asia/Kathmandu", "2026-03-01", [("28 18:15", 24)], id="Kathmandu: +05:45"
        ),
        pytest.param(
            "Pacific/Chatham", "2026-04-05", [("04 10:15", 25)], id="Chatham: +13:45"
        ),
        pytest.param(
            "Pacific/Kiritimati", "2026-03-01", [("28 10:00", 24)], id="Kiritimati: +14"
        ),
    ],
)
def test_named_days_have_the_intervals_that_people_there_lived_through(
    zone: str, day: str, intervals: list[tuple[str, float]]
) -> None:
    assert on(zone, day) == [(at, pytest.approx(hours)) for at, hours in intervals]


def test_days_are_the_same_whatever_zone_data_the_system_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zoneinfo

    monkeypatch.setenv("PYTHONTZPATH", str(tmp_path))
    zoneinfo.reset_tzpath([tmp_path])
    wrong = time_zones.zone_file("Asia/Tokyo")
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").write_bytes(wrong)
    try:
        [table] = time_zones.local_days([2026])
    finally:
        monkeypatch.undo()
        zoneinfo.reset_tzpath()
    made = duckdb.connect().execute(
        "select epoch(starts_at) from 'table'"
        " where timezone = 'Europe/Berlin' and local_date = '2026-03-01'"
    )

    assert made.fetchone() == (datetime(2026, 2, 28, 23, tzinfo=UTC).timestamp(),)
    assert table.schema == time_zones.SCHEMA


class Warehouse:
    """A warehouse whose events a test chooses, and the pipeline that loads it."""

    def __init__(self, folder: Path) -> None:
        self.connection = duckdb.connect(str(folder / "warehouse.duckdb"))
        self.connection.execute("create schema raw")
        self.connection.execute(
            "create table raw.mailgun_events (occurred_at timestamptz)"
        )
        self.pipeline = dlt.pipeline(
            "tallybook",
            pipelines_dir=str(folder / "dlt"),
            destination=dlt.destinations.duckdb(self.connection),
            dataset_name="raw",
        )

    def event(self, at: str) -> None:
        self.connection.execute(
            "insert into raw.mailgun_events values ($at::timestamptz)",
            {"at": f"{at} 12:00:00+00"},
        )

    def load(self) -> list[int] | None:
        """The years loaded; None if the source says that nothing is missing."""
        self.pipeline.activate()
        source = time_zones.time_zones(self.connection)
        if source is None:
            return None
        self.pipeline.run(source, loader_file_format="parquet")
        rows = self.connection.execute(
            """
            select distinct year(starts_at at time zone 'UTC') as started
            from raw.time_zone_days
            where timezone = 'UTC'
                and _dlt_load_id = (select max(load_id) from raw._dlt_loads)
            order by all
            """
        ).fetchall()
        return [year for (year,) in rows]

    def rows(self) -> list[tuple[object, ...]]:
        return self.connection.execute(
            "select timezone, local_date, epoch_us(starts_at), epoch_us(ends_at)"
            " from raw.time_zone_days order by all"
        ).fetchall()


@pytest.fixture
def warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Warehouse]]:
    """Makes warehouses by name, each in a folder of its own."""
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    # Three zones stand for 598: a year of them loads in a moment.
    monkeypatch.setattr(
        time_zones, "zone_names", lambda: ["UTC", "Pacific/Apia", "America/Havana"]
    )
    made: list[Warehouse] = []

    def make(name: str = "one") -> Warehouse:
        (tmp_path / name).mkdir()
        made.append(Warehouse(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.connection.close()


Make = Callable[..., Warehouse]


def test_nothing_is_missing_before_the_first_event(warehouse: Make) -> None:
    assert warehouse().load() is None


def test_the_years_of_events_and_their_neighbours_are_loaded_once(
    warehouse: Make,
) -> None:
    house = warehouse()
    house.event("2024-05-01")
    house.event("2025-05-01")

    assert house.load() == [2023, 2024, 2025, 2026]
    assert house.load() is None


def test_an_event_in_the_first_hour_of_new_year_needs_no_load_of_its_own(
    warehouse: Make,
) -> None:
    house = warehouse()
    house.event("2024-12-31")
    house.load()
    before = len(house.rows())
    found = house.connection.execute(
        "select count(*) from raw.time_zone_days where starts_at <="
        " timestamptz '2025-01-01 00:30:00+00' and ends_at >"
        " timestamptz '2025-01-01 00:30:00+00'"
    ).fetchone()

    assert before
    assert found == (3,)


@pytest.mark.parametrize(
    "order", [["2009", "2014", "2011"], ["2014", "2011", "2009"], ["2011", "2009"]]
)
def test_years_added_in_any_order_give_the_same_table_as_all_at_once(
    warehouse: Make, order: list[str]
) -> None:
    grown, whole = warehouse("grown"), warehouse("whole")
    for year in order:
        grown.event(f"{year}-07-01")
        whole.event(f"{year}-07-01")
        grown.load()
    whole.load()

    assert grown.rows() == whole.rows()
    assert len(set(grown.rows())) == len(grown.rows())


def test_a_year_that_was_lost_in_the_middle_is_loaded_again(warehouse: Make) -> None:
    house = warehouse()
    house.event("2024-05-01")
    house.load()
    complete = house.rows()
    house.connection.execute(
        "delete from raw.time_zone_days where starts_at >= '2024-01-01 00:00:00+00'"
        " and starts_at < '2025-01-01 00:00:00+00'"
    )

    assert house.load() == [2024]
    assert house.rows() == complete


def test_a_broken_clock_asks_for_no_more_than_2000_to_next_year(
    warehouse: Make,
) -> None:
    house = warehouse()
    house.event("1970-01-01")
    house.event("58811-01-01")
    house.event("2024-05-01")
    this_year = datetime.now(UTC).year

    assert house.load() == list(range(1999, this_year + 3))
    assert house.load() is None


def test_infinite_instants_are_clamped_like_other_broken_ones(
    warehouse: Make,
) -> None:
    house = warehouse()
    house.connection.execute("insert into raw.mailgun_events values ('-infinity')")

    assert house.load() == [1999, 2000, 2001]


def test_every_table_with_instants_is_asked_for_its_years(warehouse: Make) -> None:
    for number, (table, column) in enumerate(time_zones.EVENT_TIMES):
        house = warehouse(table)
        house.connection.execute(
            f"create or replace table raw.{table} as"
            f" select timestamptz '{2003 + number}-06-01 00:00:00+00' as {column}"
        )

        assert house.load() == [2002 + number, 2003 + number, 2004 + number]


def test_a_table_that_dbt_created_empty_is_filled_as_it_is(warehouse: Make) -> None:
    house = warehouse()
    house.connection.execute(
        "create table raw.time_zone_days (timezone varchar not null, local_date date,"
        " starts_at timestamptz, ends_at timestamptz, _dlt_load_id varchar not null)"
    )
    house.event("2024-05-01")

    assert house.load() == [2023, 2024, 2025]
    assert house.load() is None


def test_another_tzdata_replaces_every_year(
    warehouse: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = warehouse()
    house.event("2024-05-01")
    house.load()
    complete = house.rows()
    house.connection.execute(
        "update raw.time_zone_days set ends_at = starts_at where timezone <> 'UTC'"
    )
    house.connection.execute(
        "insert into raw.time_zone_days"
        " select 'Gone/Zone', local_date, starts_at, ends_at, _dlt_load_id"
        " from raw.time_zone_days limit 1"
    )

    monkeypatch.setattr(time_zones.metadata, "version", lambda _: "2099.1")

    assert house.load() == [2023, 2024, 2025]
    assert house.rows() == complete
    assert house.load() is None


def test_a_load_job_that_was_done_twice_is_mended_by_the_same_run(
    warehouse: Make,
) -> None:
    """A run killed after a job's commit, before its bookkeeping, does it again."""
    house = warehouse()
    house.event("2024-05-01")
    source = time_zones.time_zones(house.connection)
    house.pipeline.extract(source, loader_file_format="parquet")
    house.pipeline.normalize()
    [job] = Path(house.pipeline.pipelines_dir).rglob("new_jobs/time_zone_days*.parquet")
    table, file, retries, kind = job.name.split(".")
    twin = job.with_name(f"{table}.{file[:-2]}zz.{retries}.{kind}")
    twin.write_bytes(job.read_bytes())
    house.pipeline.load()
    doubled = house.rows()

    assert house.load() == [2023, 2024, 2025]
    assert len(doubled) == 2 * len(house.rows())
    assert len(set(doubled)) == len(house.rows())
    assert house.load() is None


def test_all_zones_of_a_few_years_are_made_in_seconds() -> None:
    began = datetime.now(UTC)
    rows = sum(table.num_rows for table in time_zones.local_days([2025, 2026]))

    assert rows > 430_000
    assert datetime.now(UTC) - began < timedelta(seconds=10)


def test_a_zone_file_that_is_not_tzif_is_refused_by_name_of_the_format() -> None:
    with pytest.raises(ValueError, match="TZif"):
        time_zones._listed_changes(b"\0" * 100)
