"""The days of each account, in its own time zone.

dim_time_zone_days ──▶ every day of the last four weeks, and how long it was
fct_delivery_daily, fct_reporting_rollups ──▶ what was counted on it
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import altair as alt

from tallybook.report.colours import SERIES, SHAPES
from tallybook.report.pictures import (
    NARROW,
    Chart,
    Picture,
    colours,
    counts,
    drawn,
    picture,
)
from tallybook.report.published import Published, Row
from tallybook.report.sections import Part, Section
from tallybook.report.tables import (
    Column,
    Table,
    clean,
    count,
    day_and_hours,
    lasting,
    left_out,
)

_ACCOUNTS = 6
_DAYS = 28

_SPAN = """
select max(date) as last, greatest(min(date), max(date) - $days + 1) as first
from (
    select date from marts.fct_delivery_daily
    union all
    select date from marts.fct_reporting_rollups
)
where date <= $tomorrow
"""
"""From the newest day that has something, whatever clocks run ahead."""

_BUSIEST = """
select
    account_id,
    max_by(reporting_timezone, date) as timezone,
    cast(sum(events) as bigint) as events,
    count(*) over () as accounts
from (
    select account_id, reporting_timezone, date, events
    from marts.fct_delivery_daily
    union all
    select account_id, reporting_timezone, date, count
    from marts.fct_reporting_rollups
    where dimension_type = 'account'
)
where date between $first and $last
group by account_id
order by events desc, account_id
limit $accounts
"""

_BY_DAY = """
with

days as (
    select date, sum(hours) as hours
    from marts.dim_time_zone_days
    where timezone = $timezone and date between $first and $last
    group by date
),

counted as (
    {counted}
)

select date, hours, {figures}
from days
left join counted using (date)
group by date, hours
order by date
"""

_MAIL = _BY_DAY.format(
    counted="select * from marts.fct_delivery_daily where account_id = $account",
    figures="""
    coalesce(sum(events) filter (where event_type = 'delivered'), 0) as delivered,
    coalesce(sum(events) filter (where event_type = 'opened'), 0) as opened,
    coalesce(sum(events) filter (where event_type = 'clicked'), 0) as clicked,
    coalesce(sum(events) filter (where event_type = 'bounced'), 0) as bounced,
    coalesce(sum(events) filter (where event_type = 'complained'), 0) as complained
""",
)

_TALK = _BY_DAY.format(
    counted="""
    select * from marts.fct_reporting_rollups
    where account_id = $account and dimension_type = 'account'
""",
    figures="""
    coalesce(sum(count) filter (where metric = 'resolutions_count'), 0) as resolved,
    coalesce(sum(count) filter (where metric = 'bot_resolutions_count'), 0) as by_bot,
    coalesce(sum(count) filter (where metric = 'bot_handoffs_count'), 0)
        as handed_over,
    sum(sum_value) filter (where metric = 'first_response')
    / nullif(sum(value_count) filter (where metric = 'first_response'), 0)
        as first_response
""",
)

_MAIL_COLUMNS = (
    day_and_hours("Day"),
    count("Delivered"),
    count("Opened"),
    count("Clicked"),
    count("Bounced"),
    count("Spam"),
)
_TALK_COLUMNS = (
    day_and_hours("Day"),
    count("Resolved"),
    count("By the bot"),
    count("Handed over"),
    lasting("First response"),
)


def section(published: Published) -> Section:
    """The last four weeks of the busiest accounts."""
    tomorrow = published.published_at.date() + timedelta(days=1)
    span = published.one(_SPAN, {"tomorrow": tomorrow, "days": _DAYS})
    if span["last"] is None:
        return Section("days", "Day by day", "No account has a day with events yet.")
    busiest = published.rows(_BUSIEST, {**span, "accounts": _ACCOUNTS})
    says = (
        f"Events of {span['first']} to {span['last']}, on the days of each account's "
        "own time zone. A dashed line marks a day on which the clocks changed."
    )
    more = left_out(len(busiest), busiest[0]["accounts"], "accounts")
    return Section(
        "days",
        "Day by day",
        f"{says} {more}".strip(),
        [_part(published, place, row, span) for place, row in enumerate(busiest, 1)],
    )


def _part(published: Published, place: int, row: Row, span: dict[str, date]) -> Part:
    """One account."""
    asked = {**span, "account": row["account_id"], "timezone": row["timezone"]}
    items: list[Table | Picture] = []
    for kind, sql, columns in (
        ("mail", _MAIL, _MAIL_COLUMNS),
        ("talk", _TALK, _TALK_COLUMNS),
    ):
        found = published.rows(sql, asked)
        if any(any(list(day.values())[2:]) for day in found):
            items += _days(f"{kind}-days-{place}", row["account_id"], columns, found)
    return Part(
        clean(row["account_id"], 60),
        f"{row['timezone']}, {row['events']:,} events",
        items,
    )


def _days(
    name: str, account: str, columns: tuple[Column, ...], found: list[Row]
) -> Iterator[Table | Picture]:
    series = [
        (place, column.title)
        for place, column in enumerate(columns)
        if column.title in SHAPES
    ]
    rows = [((date, hours), *rest) for date, hours, *rest in map(dict.values, found)]
    about = "Mail" if name.startswith("mail") else "Conversations"
    yield _picture(f"{about} of {clean(account, 60)}, day by day.", series, rows)
    yield Table(name, f"{about}, in figures", columns, rows, is_long=True)


def _picture(
    says: str, series: list[tuple[int, str]], rows: list[tuple[Any, ...]]
) -> Picture:
    """A line for each series, and a mark where the clocks changed."""
    names = [name for _, name in series]
    points = [
        {"day": _instant(row[0][0]), "what": name, "number": int(row[place])}
        for row in rows
        for place, name in series
    ]
    changes = [
        {"day": _instant(date), "hours": f"{hours:g} h"}
        for (date, hours), *_ in rows
        if hours != 24
    ]

    def draw(width: int) -> Chart:
        dates = alt.Axis(
            format="%b %-d", grid=False, tickCount=4 if width == NARROW else 8
        )
        x = alt.X("day:T", scale=alt.Scale(type="utc"), axis=dates)
        marks = drawn(changes).encode(x=x)
        dots = alt.OverlayMarkDef(filled=True, size=26, opacity=1)
        lines = (
            drawn(points)
            .mark_line(strokeWidth=2, point=dots)
            .encode(
                x=x,
                y=alt.Y("number:Q", axis=counts(width)),
                color=colours("what", {name: SERIES[name] for name in names}),
                shape=alt.Shape(
                    "what:N",
                    scale=alt.Scale(
                        domain=names, range=[SHAPES[name] for name in names]
                    ),
                ),
            )
        )
        return alt.layer(
            marks.mark_rule(strokeDash=[3, 3], opacity=0.8),
            marks.mark_text(align="left", dx=4, y=6).encode(text="hours:N"),
            lines,
        ).properties(height=170)

    return picture(says, draw, (4, 2))


def _instant(day: date) -> str:
    return f"{day}T00:00:00Z"
