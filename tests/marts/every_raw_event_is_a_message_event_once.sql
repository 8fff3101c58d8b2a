{#
    Nothing lost, nothing doubled, nothing made up, between raw and the first
    mart, for every load that has committed.

    At most builds only the events that came, or were written, since this test last
    passed.
#}
{%- set whole = tests_whole(['fct_message_events']) -%}
{%- set events = 'true' if whole
    else '(occurred_at, event_key) in (select occurred_at, event_key from new)' -%}

with

new as (

    select
        events.occurred_at,
        events.event_key

    from {{ ref('int_message_events__unioned') }} as events

    where events.load_id in (
            select loads.load_id from {{ ref('stg_ledger__loads') }} as loads
            where loads.change_number > {{ tested_through() }}
        )

    union

    select
        occurred_at,
        event_key
    from {{ untested('fct_message_events') }}

),

raw_events as (

    select
        events.provider,
        events.event_key,
        count(*) as rows_there

    from {{ ref('int_message_events__unioned') }} as events

    inner join {{ ref('stg_ledger__loads') }} as loads
        on events.load_id = loads.load_id

    where {{ events }}

    group by events.provider, events.event_key

),

message_events as (

    select
        provider,
        event_key,
        count(*) as rows_there

    from {{ ref('fct_message_events') }}

    where {{ events }}

    group by provider, event_key

)

select
    coalesce(raw_events.provider, message_events.provider) as provider,
    coalesce(raw_events.event_key, message_events.event_key) as event_key,
    coalesce(raw_events.rows_there, 0) as expected,
    coalesce(message_events.rows_there, 0) as actual

from raw_events

full outer join message_events
    on raw_events.provider = message_events.provider
    and raw_events.event_key = message_events.event_key

where raw_events.rows_there is distinct from 1
    or message_events.rows_there is distinct from 1
