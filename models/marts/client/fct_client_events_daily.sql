{{ config(
    materialized='touched_groups',
    unique_key=['account_key', 'date', 'event_name'],
    meta={
        'touched_by': 'int_client_days__touched',
        'group_by': ['account_key', 'date'],
        'partition_by': 'date',
    },
    post_hook="{{ note_rebuilt_days('int_client_days__touched') }}",
) }}

with

events as (

    {%- for first, last in touched_stretches(
        'fct_client_events_daily', ref('int_client_days__touched')
    ) %}

    select * from {{ ref('stg_clients__events') }}

    where {{ in_stretch('occurred_at', first, last, east='14', west='12') }}
        and load_id in (
            select loads.load_id from {{ ref('stg_ledger__loads') }} as loads
        )
    {{- ' union all' if not loop.last }}
    {%- endfor %}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

{# An account without a valid zone finds no day, and so has no rows. #}
located as (

    select
        accounts.account_id,
        coalesce(accounts.account_id, '') as account_key,
        case
            when accounts.account_id is null
                then {{ utc_date('events.occurred_at') }}
            else local_days.local_date
        end as date,
        events.event_name,
        events.properties_dropped,
        case
            when accounts.account_id is null then 'UTC'
            else local_days.timezone
        end as reporting_timezone

    from events

    left join accounts
        on events.given_account_id = accounts.account_id

    left join local_days
        on accounts.reporting_timezone = local_days.timezone
        and {{ utc_day('events.occurred_at') }} = local_days.utc_day
        and events.occurred_at >= local_days.starts_at
        and events.occurred_at < local_days.ends_at

),

touched as (

    select * from located

    where date is not null
        and {{ is_touched(
            'fct_client_events_daily',
            ref('int_client_days__touched'),
            ['account_key', 'date'],
        ) }}

),

daily as (

    select
        account_key,
        account_id,
        date,
        event_name,
        count(*) as events,
        cast(sum(properties_dropped) as bigint) as properties_dropped,
        reporting_timezone

    from touched

    group by account_key, account_id, date, event_name, reporting_timezone

)

select * from daily
