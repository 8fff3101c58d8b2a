"""How far each source can be trusted right now: lanes, freshness, completeness."""

from tallybook.report.published import Published
from tallybook.report.sections import Part, Section
from tallybook.report.tables import (
    Table,
    count,
    instant,
    lasting,
    left_out,
    more,
    status,
    words,
)

_SHOWN = 30

_LANES = """
select
    coalesce(nullif(domain, ''), source_name) as source,
    lane,
    last_outcome,
    fetched_through,
    case when not is_caught_up then lag_seconds end as lag_seconds,
    events,
    lateness_p99,
    last_message
from marts.ops_lanes
order by last_outcome <> 'failed', source, lane
"""

_FRESHNESS = """
select
    coalesce(nullif(domain, ''), source_name) as source,
    what,
    status,
    fresh_at,
    age_seconds,
    warn_after_seconds,
    error_after_seconds
from marts.ops_freshness
order by status <> 'error', status <> 'warn', source
"""

_COMPLETENESS = """
select
    domain,
    case
        when bool_or(status = 'error') then 'error'
        when bool_or(status = 'warn') then 'warn'
        else 'complete'
    end as worst,
    count(distinct date) as days,
    cast(sum(provider_count) as bigint) as theirs,
    cast(sum(our_count) as bigint) as ours,
    cast(sum(difference) as bigint) as difference
from marts.ops_completeness
where status in ('complete', 'warn', 'error')
group by domain
order by worst <> 'error', worst <> 'warn', domain
"""


def section(published: Published) -> Section:
    """What was read, from whom, and how long ago."""
    return Section(
        "sources",
        "Where it comes from",
        "As it stood when it was published.",
        [
            Part(
                items=[
                    _table(
                        published,
                        _FRESHNESS,
                        "freshness",
                        "When each source was last heard of",
                        (
                            words("Source"),
                            words("What"),
                            status("Status"),
                            instant("At (UTC)"),
                            lasting("Age"),
                            lasting("Warns after"),
                            lasting("Error after"),
                        ),
                    ),
                    _table(
                        published,
                        _LANES,
                        "lanes",
                        "How far each has been read, and what its runs of a week "
                        "brought",
                        (
                            words("Source"),
                            words("Lane"),
                            status("Ended"),
                            instant("Read through (UTC)"),
                            lasting("Behind"),
                            count("New events"),
                            lasting("Late (p99)"),
                            words("Message"),
                        ),
                    ),
                    _table(
                        published,
                        _COMPLETENESS,
                        "completeness",
                        "Settled days: what the provider counted, and what we have",
                        (
                            words("Domain"),
                            status("Status"),
                            count("Days"),
                            count("Theirs"),
                            count("Ours"),
                            more("Difference"),
                        ),
                    ),
                ]
            )
        ],
    )


def _table(
    published: Published, sql: str, name: str, caption: str, columns: tuple[object, ...]
) -> Table:
    rows = published.rows(sql)
    return Table(
        name,
        caption,
        columns,  # type: ignore[arg-type]
        [tuple(row.values()) for row in rows[:_SHOWN]],
        note=left_out(min(_SHOWN, len(rows)), len(rows), "rows"),
        stacks=True,
    ).without_empty()
