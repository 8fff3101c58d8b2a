{{ config(materialized='view') }}

with

message_events as (

    select * from {{ ref('fct_message_events') }}

),

{# A mail received has no email of ours that it could belong to. #}
unmatched as (

    select
        event_key,
        unmatched_reason as reason,
        provider,
        account_id,
        domain,
        provider_event_name,
        event_type,
        occurred_at,
        received_at,
        recipient,
        recipient_key,
        given_email_id,
        message_id,
        provider_message_id,
        email_id

    from message_events

    where unmatched_reason is not null
        and event_type <> 'inbound'

)

select * from unmatched
