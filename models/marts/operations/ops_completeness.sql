{{ config(
    materialized='touched_groups',
    unique_key=['source_name', 'domain', 'date', 'event_name'],
    meta={
        'touched_by': 'int_completeness_days__touched',
        'group_by': ['domain', 'date'],
        'partition_by': 'date',
    },
) }}

-- depends_on: {{ ref('int_completeness_days__touched') }}

with

provider_stats as (

    select * from {{ ref('stg_tallybook__provider_stats') }}

    where {{ is_touched(
        'ops_completeness',
        ref('int_completeness_days__touched'),
        ['domain', 'date'],
    ) }}

),

lane_runs as (

    select * from {{ ref('stg_tallybook__lane_runs') }}
    where source_name = 'mailgun'

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

{# After an hour a day is complete, unless the setting says another time. #}
trust_window as (

    select coalesce(max(cast(value as integer)), 3600) as seconds

    from {{ ref('stg_tallybook__source_settings') }}

    where source_name = 'mailgun'
        and setting = 'trust_window'

),

thresholds as (

    select * from {{ ref('quality_thresholds') }}
    where check_name = 'completeness'

),

events as (

    {%- for first, last in touched_stretches(
        'ops_completeness', ref('int_completeness_days__touched')
    ) %}

    select
        domain,
        provider_event_name,
        {{ utc_date('occurred_at') }} as date,
        load_id

    from {{ ref('stg_mailgun__events') }}

    where {{ in_stretch('occurred_at', first, last) }}
    {{- '\n\n    union all' if not loop.last }}
    {%- endfor %}

),

counted as (

    select
        events.domain,
        events.date,
        events.provider_event_name,
        count(*) as our_count

    from events

    inner join loads
        on events.load_id = loads.load_id

    group by events.domain, events.date, events.provider_event_name

),

{# From where on a domain was read at all, and through where a second time, when
   the provider had stored what came late. #}
reach as (

    select
        domain,
        min(window_begin) as read_from,
        max(case when outcome = 'ok' then window_end else cursor end) filter (
            where lane = 'missing'
        ) as read_twice_through

    from lane_runs

    group by domain

),

compared as (

    select
        provider_stats.domain,
        provider_stats.date,
        provider_stats.provider_event_name as event_name,
        provider_stats.provider_count,
        coalesce(counted.our_count, 0) as our_count,
        provider_stats.as_of,
        {{ utc_midnight('provider_stats.date') }} as begins_at,
        {{ utc_midnight('provider_stats.date + 1') }} as ends_at,
        {{ utc_midnight('provider_stats.date + 1') }}
        + trust_window.seconds * interval '1 second' as settles_at,
        reach.read_from,
        reach.read_twice_through

    from provider_stats

    cross join trust_window

    left join counted
        on provider_stats.domain = counted.domain
        and provider_stats.date = counted.date
        and provider_stats.provider_event_name = counted.provider_event_name

    left join reach
        on provider_stats.domain = reach.domain

),

judged as (

    select
        *,
        coalesce(read_from <= begins_at, false) as is_read_whole,
        as_of >= settles_at
        and coalesce(read_twice_through >= ends_at, false)
            as is_settled_by_time,
        {{ share('greatest(provider_count - our_count, 0)', 'provider_count') }}
            as missing_share,
        {{ share('greatest(our_count - provider_count, 0)', 'our_count') }}
            as more_share

    from compared

),

final as (

    select
        'mailgun' as source_name,
        judged.domain,
        judged.date,
        judged.event_name,
        judged.provider_count,
        judged.our_count,
        judged.our_count - judged.provider_count as difference,
        coalesce(judged.missing_share, 0) as missing_share,
        judged.is_read_whole and judged.is_settled_by_time as is_settled,
        case
            when not judged.is_read_whole then 'partly_read'
            when not judged.is_settled_by_time then 'not_settled'
            when judged.missing_share > missing.error_above then 'error'
            when judged.missing_share > missing.warn_above
                or judged.more_share > more.warn_above then 'warn'
            else 'complete'
        end as status,
        judged.settles_at,
        judged.as_of

    from judged

    left join thresholds as missing
        on missing.subject = 'missing'

    left join thresholds as more
        on more.subject = 'more'

)

select * from final
