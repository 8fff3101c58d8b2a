{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_notification_performance',
        'rebuilt_with': ['fct_recipient_status', 'fct_email_performance'],
    },
) }}

-- depends_on: {{ ref('fct_recipient_status') }}
-- depends_on: {{ ref('fct_email_performance') }}

with

recipients as (

    select *
    from {{ changes('fct_recipient_status', 'fct_notification_performance') }}

),

emails as (

    select *
    from {{ changes('fct_email_performance', 'fct_notification_performance') }}

),

notifications as (

    select * from {{ ref('stg_app__notifications') }}
    where load_id in {{ arrived('fct_notification_performance') }}

),

touched as (

    select notification_id from recipients
    union
    select notification_id from emails
    union
    select notification_id from notifications

)

select * from touched

where notification_id is not null
