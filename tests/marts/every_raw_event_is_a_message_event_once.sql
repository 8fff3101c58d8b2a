{#
    Nothing lost, nothing doubled, nothing made up, between raw and the first
    mart, for every load that has committed.

    At most builds only the events that came, or were written, since this test last
    passed. Otherwise those whose number is not there once and once: for all of them
    numbers fit in memory where keys don't.
#}
-- depends_on: {{ ref('stg_ledger__loads') }}

{%- set new -%}
    select
        new_events.occurred_at,
        new_events.event_key

    from {{ ref('int_message_events__unioned') }} as new_events

    where new_events.load_id in {{ untested_loads() }}

    union

    select
        occurred_at,
        event_key
    from {{ untested('fct_message_events') }}
{%- endset -%}
{%- set suspect %}
    select numbered.key_hash

    from (
        select
            {{ key_hash(['events.provider', 'events.event_key']) }} as key_hash,
            true as is_raw
        from {{ ref('int_message_events__unioned') }} as events
        inner join {{ ref('stg_ledger__loads') }} as loads
            on events.load_id = loads.load_id

        union all

        select
            {{ key_hash(['provider', 'event_key']) }} as key_hash,
            false as is_raw
        from {{ ref('fct_message_events') }}
    ) as numbered

    group by numbered.key_hash

    having count(*) filter (where numbered.is_raw) <> 1
        or count(*) filter (where not numbered.is_raw) <> 1
{%- endset -%}
{%- set events = key_hash(['provider', 'event_key']) ~ ' in (' ~ suspect ~ ')'
    if tests_whole(['fct_message_events'])
    else '(occurred_at, event_key) in (' ~ new ~ ')' %}

with

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
