"""Local days of every time zone, as intervals of instants.

    tzdata package ──▶ clock changes of a zone ──▶ local days ──▶ raw.time_zone_days
                                                       ▲
    raw.*_events, raw.app_* ──▶ years that events span ┘

A model looks a local date up in this table instead of asking its engine: it is
faster, and the engines' own zone data are of different ages (DESIGN.md, "Local
days, fast"). Days are made from *instant → local date*, never from local midnight
→ instant: a midnight may be missing (São Paulo) or come twice (Havana).

The table grows by whole years. An interval belongs to the UTC year in which it
starts, with its true end, which may lie in the next year. What a year holds thus
depends on the year alone, so years added in any order meet without gap or overlap.
"""

import io
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata, resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import dlt
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from dlt.extract import DltResource, DltSource

SOURCE = "time_zones"
RESOURCE = "time_zone_days"

EVENT_TIMES = (
    ("mailgun_events", "occurred_at"),
    ("sendgrid_events", "occurred_at"),
    ("client_events", "occurred_at"),
    ("app_emails", "submitted_at"),
    ("app_email_recipients", "sent_at"),
    ("app_reporting_events", "created_at"),
)
"""The columns of `raw` whose instants are given a local date."""

FIRST_YEAR = 2000
"""No message is older; an instant before it is a broken clock, not a history."""

DAY = 86_400
WEEK = 7 * DAY
MARGIN = 3 * DAY
"""Seconds read beyond a year at each end: more than a local day ever lasts."""

SCHEMA = pa.schema(
    [
        pa.field("timezone", pa.string(), nullable=False),
        pa.field("local_date", pa.date32(), nullable=False),
        pa.field("starts_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("ends_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)

DAYS = """
    with

    pieces as (

        select
            timezone,
            unnest(range(
                (begins + utc_offset) // 86400,
                (ends + utc_offset - 1) // 86400 + 1
            )) as day,
            greatest(begins, day * 86400 - utc_offset) as starts

        from spans

    ),

    -- A clock change cuts a day in two pieces: the second one isn't a beginning.
    beginnings as (

        select *

        from pieces

        qualify
            day is distinct from
            lag(day) over (partition by timezone order by starts)

    ),

    days as (

        select
            timezone,
            date '1970-01-01' + day::integer as local_date,
            starts,
            make_timestamptz(starts * 1000000) as starts_at,
            make_timestamptz(
                1000000 * lead(starts) over (partition by timezone order by starts)
            ) as ends_at

        from beginnings

    )

    select timezone, local_date, starts_at, ends_at

    from days

    where starts >= $begin and starts < $end

    order by starts, timezone
"""
"""Spans of one UTC offset (timezone, begins, ends, utc_offset; epoch seconds, the
intervals half open) to the local days that start in [$begin, $end)."""


def time_zones(warehouse: duckdb.DuckDBPyConnection) -> DltSource | None:
    """The local days that `raw.time_zone_days` lacks for the events in `raw`.

    To be called after the events are loaded, with the pipeline active: which tzdata
    the table was made of is kept in the resource's state.

    Args:
        warehouse: Connection to the warehouse; only read.

    Returns:
        A source with the one resource `time_zone_days`, which yields a table of
        `SCHEMA` for each missing year (about 220,000 rows), every year that is
        there when the installed tzdata is another one; None if nothing is missing.
    """
    present = _years_present(warehouse)
    wanted = _years_wanted(warehouse, present)
    made_of = dlt.current.source_state(SOURCE).get("resources", {}).get(RESOURCE, {})
    is_current = made_of.get("tzdata") == metadata.version("tzdata")
    years = sorted(wanted - present if is_current else wanted)
    if not years:
        return None
    return dlt.source(lambda: _time_zone_days(years), name=SOURCE)()


def local_days(years: Sequence[int]) -> Iterator[pa.Table]:
    """The local days of every zone.

    Args:
        years: UTC years, ascending.

    Yields:
        One table of `SCHEMA` for each year: the intervals that start in it, ordered
        by `starts_at`, then `timezone`.
    """
    spans = _spans(_epoch(years[0]) - MARGIN, _epoch(years[-1] + 1) + MARGIN)
    with duckdb.connect() as scratch:
        scratch.execute("set timezone = 'UTC'")
        scratch.execute("set enable_progress_bar = false")
        scratch.register("all_spans", spans)
        for year in years:
            begin, end = _epoch(year), _epoch(year + 1)
            scratch.execute(
                """
                create or replace temporary table spans as
                select
                    timezone,
                    greatest(begins, $begin) as begins,
                    least(ends, $end) as ends,
                    utc_offset
                from all_spans
                where begins < $end and ends > $begin
                """,
                {"begin": begin - MARGIN, "end": end + MARGIN},
            )
            days = scratch.execute(DAYS, {"begin": begin, "end": end})
            yield days.to_arrow_table().cast(SCHEMA)


def zone_names() -> list[str]:
    """The exact names of all IANA zones in the tzdata package."""
    return resources.files("tzdata").joinpath("zones").read_text("utf-8").split()


def zone_file(name: str) -> bytes:
    """A zone's compiled data (TZif, RFC 9636) from the tzdata package."""
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def zone_of(data: bytes) -> ZoneInfo:
    """A zone from its compiled data, whatever zones the system has."""
    return ZoneInfo.from_file(io.BytesIO(data))


def _time_zone_days(years: Sequence[int]) -> DltResource:
    """The resource that loads these years, in place of what is there of them.

    They are replaced by range in one transaction, and dlt is told that they are free
    of doubles: its own search for them would hold all rows in memory.
    """
    scope = " or ".join(
        f"(starts_at >= timestamptz '{year}-01-01 00:00:00+00'"
        f" and starts_at < timestamptz '{year + 1}-01-01 00:00:00+00')"
        for year in years
    )

    def days() -> Iterator[pa.Table]:
        yield from local_days(years)
        dlt.current.resource_state()["tzdata"] = metadata.version("tzdata")

    return dlt.resource(
        days,
        name=RESOURCE,
        primary_key=("timezone", "starts_at"),
        write_disposition={
            "disposition": "merge",
            "strategy": "delete-insert",
            "deduplicated": True,
            "destination_scope": scope,
        },
        columns={
            "timezone": {"data_type": "text", "nullable": False},
            "local_date": {"data_type": "date", "nullable": False},
            "starts_at": {"data_type": "timestamp", "nullable": False},
            "ends_at": {"data_type": "timestamp", "nullable": False},
        },
        schema_contract={
            "tables": "evolve",
            "columns": "freeze",
            "data_type": "freeze",
        },
    )


def _spans(begin: int, end: int) -> pa.Table:
    """The spans of one UTC offset in [begin, end) of every zone, epoch seconds."""
    made: dict[bytes, list[tuple[int, int, int]]] = {}
    rows: list[tuple[str, int, int, int]] = []
    for name in zone_names():
        data = zone_file(name)
        if data not in made:  # a good third of the names are aliases
            made[data] = _spans_of_one_offset(data, begin, end)
        rows.extend((name, *span) for span in made[data])
    columns = ("timezone", "begins", "ends", "utc_offset")
    return pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True)))


def _spans_of_one_offset(
    data: bytes, begin: int, end: int
) -> list[tuple[int, int, int]]:
    """Cuts [begin, end) where a zone's clock changes.

    The listed changes are exact. After the last of them a rule of the year goes on
    for ever; its changes are months apart, so no week holds two, and each is found to
    the second by bisecting the week over which the offset differs.

    Args:
        data: The zone's TZif data.
        begin: Epoch second.
        end: Epoch second, exclusive.

    Returns:
        (begins, ends, UTC offset in seconds) of each span, adjoining, in order.
    """
    listed, rule = _listed_changes(data)
    points = {begin, *(at for at in listed if begin < at < end)}
    if "," in rule:
        points.update(range(max(begin, *listed[-1:]), end, WEEK))
    offset_at = _offset_at(zone_of(data))
    cuts = [
        _change(offset_at, before, after)
        for before, after in pairwise(sorted(points | {end - 1}))
        if offset_at(before) != offset_at(after)
    ]
    return [(a, b, offset_at(a)) for a, b in pairwise([begin, *cuts, end])]


def _change(offset_at: Callable[[int], int], before: int, after: int) -> int:
    """The second at which the offset of `after` begins, later than `before`."""
    seconds = range(before + 1, after + 1)
    new = offset_at(after)
    return seconds[bisect_left(seconds, x=True, key=lambda at: offset_at(at) == new)]


def _offset_at(zone: ZoneInfo) -> Callable[[int], int]:
    """What a zone's clock shows at an epoch second, less UTC, in seconds."""

    def offset_at(at: int) -> int:
        shown = datetime.fromtimestamp(at, zone).replace(tzinfo=UTC)
        return int(shown.timestamp()) - at

    return offset_at


def _listed_changes(data: bytes) -> tuple[tuple[int, ...], str]:
    """The clock changes that TZif data lists, and the rule for those after them.

    `zoneinfo` reads both and gives neither away.

    Args:
        data: TZif, version 2 or later: a block with 32-bit times, one with 64-bit
            times, and a footer (RFC 9636, section 3).

    Returns:
        Epoch seconds, ascending, and the footer in the form of POSIX's TZ.

    Raises:
        ValueError: The data are no TZif of version 2 or later.
    """
    header = struct.Struct(">4sc15x6l")
    magic, version, utc, standard, leaps, times, types, letters = header.unpack_from(
        data
    )
    if magic != b"TZif" or version < b"2":
        message = "the tzdata package holds a zone that isn't TZif version 2 or later"
        raise ValueError(message)
    second = header.size + times * 5 + types * 6 + letters + leaps * 8 + standard + utc
    times = header.unpack_from(data, second)[5]
    listed = struct.unpack_from(f">{times}q", data, second + header.size)
    return listed, data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii")


def _years_wanted(warehouse: duckdb.DuckDBPyConnection, present: set[int]) -> set[int]:
    """The UTC years that events span, with one more at either side.

    The year before holds the local days that are running when the first year begins;
    the year after is there before the first event of a new year.

    Args:
        warehouse: Connection to the warehouse.
        present: Years that are in the table; only events outside of them are looked
            for, which costs next to nothing where a table lies in the order of time.
    """
    now = datetime.now(UTC)
    # Clamped before they leave DuckDB: Python can't hold the year 58811, which is
    # what milliseconds taken for seconds give.
    limits = {
        "first": datetime(FIRST_YEAR, 1, 1, tzinfo=UTC),
        "last": now.replace(year=now.year + 1, month=12, day=31),
    }
    if present:
        limits["from"] = datetime(min(present) + 1, 1, 1, tzinfo=UTC)
        limits["until"] = datetime(max(present), 1, 1, tzinfo=UTC)
    else:
        limits["from"], limits["until"] = limits["last"], limits["first"]
    years = set(present)
    for table, column in EVENT_TIMES:
        if not _exists(warehouse, table):
            continue
        ends = warehouse.execute(
            f"""
            select epoch_ms(greatest(least(min({column}), $last), $first))
            from raw.{table} where {column} < $from
            having count({column}) > 0
            union all
            select epoch_ms(greatest(least(max({column}), $last), $first))
            from raw.{table} where {column} >= $until
            having count({column}) > 0
            """,  # noqa: S608 -- both names are constants of this file
            limits,
        ).fetchall()
        years.update(
            datetime.fromtimestamp(at / 1000, UTC).year + side
            for (at,) in ends
            for side in (-1, 1)
        )
    return set(range(min(years), max(years) + 1)) if years else set()


def _years_present(warehouse: duckdb.DuckDBPyConnection) -> set[int]:
    """The UTC years of which raw holds each local day once.

    UTC's own days stand for every zone's: a year is loaded for all zones in one
    transaction, and all years are loaded again when the list of zones changes (it
    comes with the tzdata). Counting them finds a year that was loaded in part, or
    twice: dlt may do a job again when it was killed between commit and bookkeeping.
    """
    if not _exists(warehouse, RESOURCE):
        return set()
    rows = warehouse.execute(
        f"""
        select year(local_date), count(*), count(distinct local_date)
        from raw.{RESOURCE}
        where timezone = 'UTC'
        group by all
        """  # noqa: S608 -- the name is a constant of this file
    ).fetchall()
    return {
        year
        for year, days, different in rows
        if days == different == (_epoch(year + 1) - _epoch(year)) // DAY
    }


def _exists(warehouse: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether raw has this table; before the first load it may not."""
    found = warehouse.execute(
        "select 1 from information_schema.tables"
        " where table_schema = 'raw' and table_name = $table",
        {"table": table},
    ).fetchone()
    return found is not None


def _epoch(year: int) -> int:
    """The epoch second in which a UTC year begins."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
