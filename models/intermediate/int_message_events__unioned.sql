{{ config(materialized='ephemeral') }}

with

mailgun as (

    select * from {{ ref('stg_mailgun__events') }}

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

{# One line for each provider: everything further on is the same for all. #}
providers as (

    select * from mailgun

),

{# An event is there once its load has committed; a load that was cut short is
   finished, or not, by the next extract. #}
committed as (

    select
        providers.*,
        loads.loaded_at

    from providers

    inner join loads
        on providers.load_id = loads.load_id

    where {{ is_touched(
        'fct_message_events',
        ref('int_message_events__touched'),
        ['providers.occurred_at', 'providers.event_key'],
        ['occurred_at', 'event_key'],
    ) }}

)

select * from committed
