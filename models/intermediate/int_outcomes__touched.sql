{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_conversation_outcomes',
        'rebuilt_with': ['fct_reporting_events'],
        'fingerprint': ['reporting_metrics'],
    },
) }}

-- depends_on: {{ ref('reporting_metrics') }}

with

changed_events as (

    select *
    from {{ changes('fct_reporting_events', 'fct_conversation_outcomes') }}

),

asked_for as (

    select * from {{ requested_days('fct_conversation_outcomes') }}

),

of_asked_days as (

    select
        account_id,
        date,
        conversation_id
    from {{ ref('fct_reporting_events') }}
    where (account_id, date) in (
            select
                asked_for.account_id,
                asked_for.date
            from asked_for
        )

    union

    select
        account_id,
        date,
        conversation_id
    from {{ already_built(
        'fct_conversation_outcomes', ['account_id', 'date', 'conversation_id']
    ) }}
    where (account_id, date) in (
            select
                asked_for.account_id,
                asked_for.date
            from asked_for
        )

),

touched as (

    select
        account_id,
        date,
        conversation_id
    from changed_events

    union

    select * from of_asked_days

)

select * from touched

where conversation_id is not null
