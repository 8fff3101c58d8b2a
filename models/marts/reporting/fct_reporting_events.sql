{{ config(
    materialized='touched_groups',
    unique_key=['event_id'],
    meta={
        'touched_by': 'int_reporting_events__touched',
        'group_by': ['created_at', 'event_id'],
        'partition_by': 'created_at',
        'change_columns': ['account_id', 'date', 'conversation_id'],
    },
) }}

with

events as (

    select * from {{ ref('stg_app__reporting_events') }}

    where not is_deleted
        and {{ is_touched(
            'fct_reporting_events',
            ref('int_reporting_events__touched'),
            ['created_at', 'event_id'],
        ) }}

),

accounts as (

    select * from {{ ref('stg_app__accounts') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

{# An account without a valid zone finds no day, and so has no rows. #}
located as (

    select
        events.event_id,
        events.account_id,
        events.name,
        local_days.local_date as date,
        events.created_at,
        events.value,
        events.value_in_business_hours,
        events.user_id,
        events.inbox_id,
        events.conversation_id,
        accounts.reporting_timezone

    from events

    inner join accounts
        on events.account_id = accounts.account_id

    inner join local_days
        on accounts.reporting_timezone = local_days.timezone
        and {{ utc_day('events.created_at') }} = local_days.utc_day
        and events.created_at >= local_days.starts_at
        and events.created_at < local_days.ends_at

)

select * from located
