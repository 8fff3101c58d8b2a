{{ config(materialized='ephemeral') }}

{# What each event tells of its message where there is no application: the ids
   that it has, and to whom it was sent. An id that it lacks is an empty text, so
   that all of them can be a key. #}
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

ids as (

    select
        coalesce(events.given_email_id, '') as given_email_id,
        coalesce(events.message_id, '') as message_id,
        coalesce(events.provider_message_id, '') as provider_message_id,
        case
            when vocabulary.provider is null then ''
            else coalesce({{ recipient_key('events.recipient') }}, '')
        end as recipient_key,
        events.domain as account_id,
        events.recipient,
        events.subject,
        case
            when vocabulary.provider is not null
                and events.recipient is not null then events.occurred_at
        end as sent_at,
        events.event_key,
        coalesce(
            events.message_id, events.provider_message_id,
            events.given_email_id
        ) as any_id,
        events.load_id

    from events

    inner join loads
        on events.load_id = loads.load_id

    left join vocabulary
        on events.provider = vocabulary.provider
        and events.provider_event_name = vocabulary.provider_event_name

    {# With an application's database nothing is derived. #}
    where not {{ has_application() }}

)

select * from ids

where any_id is not null
