{{ config(
    materialized='touched_list',
    meta={
        'touches': 'int_email_recipients__derived',
        'fingerprint': ['event_vocabulary', 'int_settings'],
    },
) }}

-- depends_on: {{ ref('event_vocabulary') }}
-- depends_on: {{ ref('int_settings') }}

with

arrived as (

    select * from {{ ref('int_message_events__ids') }}
    where load_id in {{ arrived('int_email_recipients__derived') }}

),

built as (

    select * from {{ already_built('int_email_recipients__derived', [
        'message_name', 'message_id', 'provider_message_id',
    ]) }}

),

{# The messages that a new event is of, by either of its ids: it may say that
   two of them are one. #}
touched as (

    select any_id as message_name from arrived

    union

    select message_name
    from built
    where message_id in (
            select arrived.message_id from arrived
            where arrived.message_id <> ''
        )

    union

    select message_name
    from built
    where provider_message_id in (
            select arrived.provider_message_id from arrived
            where arrived.provider_message_id <> ''
        )

)

select * from touched
