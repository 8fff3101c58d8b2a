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

accepted as (

    select * from {{ ref('int_message_events__accepted') }}

),

touched as (

    select distinct
        email_id,
        recipient_key

    from accepted

    where load_id in {{ arrived('int_email_recipients__derived') }}

)

select * from touched
