{{ config(materialized='ephemeral') }}

with

events as (

    select * from {{ ref('int_message_events__unioned') }}

),

{# Names of events that say that a message was sent to somebody. #}
vocabulary as (

    select * from {{ ref('event_vocabulary') }}
    where says_sent and condition is null

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

accepted as (

    select
        events.event_key,
        events.load_id,
        coalesce(
            events.given_email_id, events.message_id,
            events.provider_message_id
        ) as email_id,
        events.domain as account_id,
        events.recipient,
        {{ recipient_key('events.recipient') }} as recipient_key,
        coalesce(events.message_id, events.provider_message_id) as message_id,
        events.subject,
        events.occurred_at,
        loads.change_number as load_number

    from events

    inner join vocabulary
        on events.provider = vocabulary.provider
        and events.provider_event_name = vocabulary.provider_event_name

    inner join loads
        on events.load_id = loads.load_id

    {# With an application's database nothing is derived. #}
    where not {{ has_application() }}
        and events.recipient is not null

)

select * from accepted

where email_id is not null
