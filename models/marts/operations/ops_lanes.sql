{{ config(materialized='view') }}

with

runs as (

    select * from {{ ref('stg_tallybook__lane_runs') }}

),

numbered as (

    select
        *,
        row_number() over (
            partition by source_name, domain, lane
            order by began_at desc, run_id desc
        ) as age,
        max(began_at) over () as newest_began_at,
        max_by(window_end, began_at) filter (where outcome = 'ok') over (
            partition by source_name, domain, lane
        ) as last_read_through

    from runs

),

{# A week up to the newest run, so that the figures stand still when runs do. #}
of_a_week as (

    select
        source_name,
        domain,
        lane,
        count(*) as runs,
        count(*) filter (where outcome = 'failed') as failed_runs,
        count(*) filter (where outcome = 'cut_short') as cut_short_runs,
        cast(sum(events) as bigint) as events,
        cast(sum(unhandled) as bigint) as unhandled,
        cast(sum(repeats) as bigint) as repeats,
        cast(sum(dead) as bigint) as dead,
        cast(coalesce(sum(late), 0) as bigint) as late,
        cast(coalesce(sum(late_in_last_tenth), 0) as bigint)
            as late_in_last_tenth,
        median(lateness_p50) as lateness_p50,
        max(lateness_p99) as lateness_p99,
        max(lateness_max) as lateness_max

    from numbered

    where began_at > newest_began_at - interval 7 day

    group by source_name, domain, lane

),

{# A run that fails doesn't undo what earlier ones have read. Each backfill is a
   range of its own. #}
newest as (

    select
        *,
        case
            when outcome = 'ok' then window_end
            when lane = 'scheduled' then cursor
            else greatest(cursor, last_read_through)
        end as fetched_through

    from numbered

    where age = 1

),

latest as (

    select * from newest
    where lane = 'latest'

),

lanes as (

    select
        newest.source_name,
        newest.domain,
        newest.lane,
        newest.began_at as last_began_at,
        newest.ended_at as last_ended_at,
        newest.outcome as last_outcome,
        newest.message as last_message,
        newest.window_begin as last_window_begin,
        newest.cursor,
        newest.fetched_through,
        {{ epoch_us('newest.ended_at') }} / 1e6
        - {{ epoch_us('newest.fetched_through') }} / 1e6 as lag_seconds,
        coalesce(
            newest.lane = 'missing'
            and newest.fetched_through >= latest.window_begin, false
        ) as is_caught_up,
        coalesce(of_a_week.runs, 0) as runs,
        coalesce(of_a_week.failed_runs, 0) as failed_runs,
        coalesce(of_a_week.cut_short_runs, 0) as cut_short_runs,
        coalesce(of_a_week.events, 0) as events,
        coalesce(of_a_week.unhandled, 0) as unhandled,
        coalesce(of_a_week.repeats, 0) as repeats,
        coalesce(of_a_week.dead, 0) as dead,
        coalesce(of_a_week.late, 0) as late,
        coalesce(of_a_week.late_in_last_tenth, 0) as late_in_last_tenth,
        of_a_week.lateness_p50,
        of_a_week.lateness_p99,
        of_a_week.lateness_max

    from newest

    left join of_a_week
        on newest.source_name = of_a_week.source_name
        and newest.domain = of_a_week.domain
        and newest.lane = of_a_week.lane

    left join latest
        on newest.source_name = latest.source_name
        and newest.domain = latest.domain

)

select * from lanes
