{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_email_performance',
        'rebuilt_with': ['fct_recipient_status', 'int_email_recipients__derived'],
    },
) }}

-- depends_on: {{ ref('fct_recipient_status') }}
-- depends_on: {{ ref('int_email_recipients__derived') }}

with

changed_recipients as (

    select *
    from {{ changes('fct_recipient_status', 'fct_email_performance') }}

),

derived as (

    select *
    from {{ changes('int_email_recipients__derived', 'fct_email_performance') }}

),

emails as (

    select * from {{ ref('stg_app__emails') }}
    where load_id in {{ arrived('fct_email_performance') }}

),

touched as (

    select email_id from changed_recipients
    union
    select email_id from derived
    union
    select email_id from emails

)

select * from touched
