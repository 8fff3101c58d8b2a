{{ config(materialized='ephemeral') }}

with

events as (

    select * from {{ ref('int_message_events__unioned') }}

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

{# An event is there once its load has committed; a load that was cut short is
   finished, or not, by the next extract. #}
committed as (

    select
        events.*,
        loads.loaded_at

    from events

    inner join loads
        on events.load_id = loads.load_id

    where {{ is_touched(
        'fct_message_events',
        ref('int_message_events__touched'),
        ['events.occurred_at', 'events.event_key'],
        ['occurred_at', 'event_key'],
    ) }}

)

select * from committed
