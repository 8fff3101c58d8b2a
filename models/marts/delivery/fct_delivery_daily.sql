{{ config(
    materialized='touched_groups',
    unique_key=['account_id', 'date', 'event_type'],
    meta={
        'touched_by': 'int_account_days__touched',
        'group_by': ['account_id', 'date'],
        'partition_by': 'date',
    },
    post_hook="{{ note_rebuilt_days('int_account_days__touched') }}",
) }}

with

{# The days stand in the statement: only their part of the table is read. #}
message_events as (

    {%- for first, last in touched_stretches(
        'fct_delivery_daily', ref('int_account_days__touched')
    ) %}

    select * from {{ ref('fct_message_events') }}

    where counts_in_delivery
        and {{ in_stretch('occurred_at', first, last, east='14', west='12') }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

located as (

    select
        message_events.account_id,
        local_days.local_date as date,
        message_events.event_type,
        message_events.recipient_key,
        accounts.reporting_timezone

    from message_events

    inner join accounts
        on message_events.account_id = accounts.account_id

    inner join local_days
        on accounts.reporting_timezone = local_days.timezone
        and {{ utc_day('message_events.occurred_at') }} = local_days.utc_day
        and message_events.occurred_at >= local_days.starts_at
        and message_events.occurred_at < local_days.ends_at

    where {{ is_touched(
        'fct_delivery_daily',
        ref('int_account_days__touched'),
        ['message_events.account_id', 'local_days.local_date'],
        ['account_id', 'date'],
    ) }}

),

daily as (

    select
        account_id,
        date,
        event_type,
        count(*) as events,
        count(distinct recipient_key) as recipients,
        reporting_timezone

    from located

    group by account_id, date, event_type, reporting_timezone

)

select * from daily
