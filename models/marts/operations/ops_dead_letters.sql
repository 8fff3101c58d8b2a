{{ config(materialized='view') }}

with

dead_letters as (

    select
        *,
        {{ engine_local_date('received_at', "'UTC'") }} as date

    from {{ ref('stg_tallybook__dead_letters') }}

),

{# A replay is a request that is named after its dead letter. #}
replays as (

    select
        substring(request_id, 8) as dead_letter_key,
        events

    from {{ ref('stg_tallybook__requests') }}

    where lane = 'replay'

),

counted as (

    select
        dead_letters.source_name,
        dead_letters.reason,
        dead_letters.date,
        count(*) as dead_letters,
        count(replays.dead_letter_key) as replayed,
        count(*) - count(replays.dead_letter_key) as waiting,
        cast(coalesce(sum(replays.events), 0) as bigint) as events_replayed,
        min(dead_letters.received_at) as oldest_received_at,
        max(dead_letters.received_at) as newest_received_at

    from dead_letters

    left join replays
        on dead_letters.dead_letter_key = replays.dead_letter_key

    group by
        dead_letters.source_name, dead_letters.reason, dead_letters.date

)

select * from counted
