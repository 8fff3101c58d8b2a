"""Questions about ranges of days, as table macros of the published file.

    select * from marts.handoffs_between('2026-01-01', '2026-03-31')

No daily row answers them: what was counted on two days counts once in the range. Both
dates belong to it. A macro reads the marts beside it in the file, so it is made once
they are all there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableMacro:
    """A table macro in the schema `marts`.

    Attributes:
        name: Its name.
        parameters: Names of its parameters.
        reads: The marts that it reads.
        description: What it answers, and its columns.
        sql: The SELECT that it stands for. In it a bare name of a parameter is the
            parameter, so columns of that name are qualified.
    """

    name: str
    parameters: tuple[str, ...]
    reads: frozenset[str]
    description: str
    sql: str


_IN_RANGE = "between cast(from_date as date) and cast(to_date as date)"

TABLE_MACROS = (
    TableMacro(
        name="handoffs_between",
        parameters=("from_date", "to_date"),
        reads=frozenset({"fct_handoff_conversations"}),
        description=(
            "Distinct conversations that the bot handed to a human within a range of"
            " local days, in each account's own zone. Columns: account_id,"
            " dimension_type, dimension_id, handoffs."
        ),
        sql=f"""
            select
                account_id,
                dimension_type,
                dimension_id,
                count(distinct conversation_id) as handoffs
            from marts.fct_handoff_conversations
            where date {_IN_RANGE}
            group by account_id, dimension_type, dimension_id
        """,  # noqa: S608 - a constant
    ),
    TableMacro(
        name="handoffs_between_in",
        parameters=("from_date", "to_date", "timezone"),
        reads=frozenset(
            {"fct_reporting_events", "dim_reporting_metrics", "dim_time_zone_days"}
        ),
        description=(
            "The same within days of one time zone for all accounts: the exact name of"
            " an IANA zone, other names are an error. Columns: account_id,"
            " dimension_type, dimension_id, handoffs."
        ),
        # A range is one stretch of time, or two where a clock was set back over
        # midnight at its edge; so each instant is looked up among the days.
        sql=f"""
            with

            zone as (
                select case
                    when timezone in (
                        select days.timezone from marts.dim_time_zone_days as days
                    ) then timezone
                    else error(
                        'handoffs_between_in: no IANA time zone is called '
                        || coalesce(timezone, 'null')
                    )
                end as name
            ),

            days as (
                select
                    days.starts_at,
                    days.ends_at
                from marts.dim_time_zone_days as days
                where days.timezone = (select zone.name from zone)
                    and days.date {_IN_RANGE}
            ),

            handoffs as (
                select events.*
                from marts.fct_reporting_events as events
                semi join (
                    select metrics.event_name
                    from marts.dim_reporting_metrics as metrics
                    where metrics.metric = 'bot_handoffs_count'
                ) as metrics
                    on events.name = metrics.event_name
                asof join days
                    on events.created_at >= days.starts_at
                where events.created_at < days.ends_at
                    and events.conversation_id is not null
            ),

            by_dimension as (
                select
                    account_id, 'account' as dimension_type,
                    account_id as dimension_id, conversation_id
                from handoffs
                union all
                select account_id, 'agent', user_id, conversation_id
                from handoffs
                where user_id is not null
                union all
                select account_id, 'inbox', inbox_id, conversation_id
                from handoffs
                where inbox_id is not null
            )

            select
                account_id,
                dimension_type,
                dimension_id,
                count(distinct conversation_id) as handoffs
            from by_dimension
            group by account_id, dimension_type, dimension_id
        """,  # noqa: S608 - a constant
    ),
    TableMacro(
        name="bot_outcomes_between",
        parameters=("from_date", "to_date"),
        reads=frozenset({"fct_conversation_outcomes"}),
        description=(
            "What became of the conversations that the bot resolved or handed to a"
            " human within a range of local days; each counts once, as handed off if"
            " it ever was. Columns: account_id, conversations, bot_resolved,"
            " handed_off, bot_resolution_rate, handoff_rate (shares from 0 to 1)."
        ),
        sql=f"""
            with

            by_conversation as (
                select
                    account_id,
                    conversation_id,
                    bool_or(outcome = 'handed_off') as is_handed_off
                from marts.fct_conversation_outcomes
                where date {_IN_RANGE}
                group by account_id, conversation_id
            )

            select
                account_id,
                count(*) as conversations,
                count(*) filter (where not is_handed_off) as bot_resolved,
                count(*) filter (where is_handed_off) as handed_off,
                bot_resolved / conversations as bot_resolution_rate,
                handed_off / conversations as handoff_rate
            from by_conversation
            group by account_id
        """,  # noqa: S608 - a constant
    ),
)
"""In the published file; pinned by DESIGN.md."""
