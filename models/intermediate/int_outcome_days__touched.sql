{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_conversation_outcomes',
        'rebuilt_with': ['fct_reporting_events'],
        'fingerprint': ['reporting_metrics'],
    },
) }}

-- depends_on: {{ ref('reporting_metrics') }}
-- depends_on: {{ ref('fct_reporting_events') }}

with

changed_events as (

    select *
    from {{ changes('fct_reporting_events', 'fct_conversation_outcomes') }}

),

asked_for as (

    select * from {{ requested_days('fct_conversation_outcomes') }}

),

touched as (

    select
        account_id,
        date
    from changed_events

    union

    select
        account_id,
        date
    from asked_for

)

select * from touched
