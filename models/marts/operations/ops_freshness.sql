{{ config(materialized='view') }}

with

lane_runs as (

    select * from {{ ref('stg_tallybook__lane_runs') }}

),

requests as (

    select * from {{ ref('stg_tallybook__requests') }}

),

loads as (

    select * from {{ ref('stg_dlt__loads') }}

),

thresholds as (

    select * from {{ ref('quality_thresholds') }}
    where check_name = 'freshness'

),

{# A run that reads to its end without an event is as fresh as one with many. #}
polled as (

    select
        source_name,
        domain,
        'read' as what,
        max(ended_at) as fresh_at

    from lane_runs

    where lane = 'latest'
        and outcome <> 'failed'

    group by source_name, domain

),

received as (

    select
        source_name,
        '' as domain,
        'received' as what,
        max(received_at) as fresh_at

    from requests

    where source_name not in (select polled.source_name from polled)

    group by source_name

),

loaded as (

    select
        source_name,
        '' as domain,
        'loaded' as what,
        max(loaded_at) as fresh_at

    from loads

    where source_name = 'app'

    group by source_name

),

unioned as (

    select * from polled
    union all
    select * from received
    union all
    select * from loaded

),

aged as (

    select
        *,
        current_timestamp as checked_at,
        ({{ epoch_us('current_timestamp') }} - {{ epoch_us('fresh_at') }}) / 1e6
            as age_seconds

    from unioned

),

final as (

    select
        aged.source_name,
        aged.domain,
        aged.what,
        aged.fresh_at,
        aged.checked_at,
        aged.age_seconds,
        thresholds.warn_above as warn_after_seconds,
        thresholds.error_above as error_after_seconds,
        case
            when aged.age_seconds > thresholds.error_above then 'error'
            when aged.age_seconds > thresholds.warn_above then 'warn'
            else 'fresh'
        end as status,
        thresholds.reason

    from aged

    left join thresholds
        on aged.source_name = thresholds.subject

)

select * from final
