{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_reporting_rollups',
        'rebuilt_with': ['fct_reporting_events'],
        'fingerprint': ['reporting_metrics'],
    },
) }}

-- depends_on: {{ ref('reporting_metrics') }}
-- depends_on: {{ ref('fct_reporting_events') }}

with

changed_events as (

    select *
    from {{ changes('fct_reporting_events', 'fct_reporting_rollups') }}

),

reasons as (

    select * from {{ ref('int_reporting_events__touched') }}

),

asked_for as (

    select * from {{ requested_days('fct_reporting_rollups') }}

),

{# Events that changed in an earlier build, which this model didn't see, have
   no reason any more. #}
touched as (

    select
        changed_events.account_id,
        changed_events.date,
        coalesce(reasons.reason, 'events of an earlier build') as reason

    from changed_events

    left join reasons
        on changed_events.event_id = reasons.event_id

    union

    select
        asked_for.account_id,
        asked_for.date,
        'asked for' as reason

    from asked_for

)

select * from touched
