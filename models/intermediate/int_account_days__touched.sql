{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_delivery_daily',
        'rebuilt_with': ['fct_message_events'],
    },
) }}

{%- do check_local_days() %}

with

changed_events as (

    select
        account_id,
        occurred_at
    from {{ changes('fct_message_events', 'fct_delivery_daily') }}

),

message_events as (

    select * from {{ ref('fct_message_events') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

built as (

    select *
    from {{ already_built(
        'fct_delivery_daily', ['account_id', 'date', 'reporting_timezone']
    ) }}

),

{# An account that came, or whose zone is no longer the one that its days were
   drawn in: its whole history, and nobody else's. #}
drawn as (

    select distinct
        account_id,
        reporting_timezone

    from built

),

redrawn as (

    select accounts.account_id

    from accounts

    left join drawn
        on accounts.account_id = drawn.account_id
        and accounts.reporting_timezone = drawn.reporting_timezone

    where drawn.account_id is null
        and accounts.load_id in {{ arrived('fct_delivery_daily') }}

    union

    select drawn.account_id

    from drawn

    left join accounts
        on drawn.account_id = accounts.account_id
        and drawn.reporting_timezone = accounts.reporting_timezone

    where accounts.account_id is null

),

instants as (

    select * from changed_events

    union

    select
        message_events.account_id,
        message_events.occurred_at

    from message_events

    where message_events.account_id in (
            select redrawn.account_id from redrawn
        )
        and {{ taken_through('fct_delivery_daily') }} > 0

),

counted_now as (

    select
        instants.account_id,
        local_days.local_date as date

    from instants

    inner join accounts
        on instants.account_id = accounts.account_id

    inner join local_days
        on accounts.reporting_timezone = local_days.timezone
        and {{ utc_day('instants.occurred_at') }} = local_days.utc_day
        and instants.occurred_at >= local_days.starts_at
        and instants.occurred_at < local_days.ends_at

),

counted_before as (

    select
        account_id,
        date

    from built

    where account_id in (select redrawn.account_id from redrawn)

),

{# Days of zones that were loaded since: first seen, or of newer tzdata. #}
loaded_days as (

    select
        accounts.account_id,
        local_days.local_date as date

    from local_days

    inner join accounts
        on local_days.timezone = accounts.reporting_timezone

    where local_days.load_id in {{ arrived('fct_delivery_daily') }}

),

{# Dates that newer tzdata doesn't have any more. #}
vanished_days as (

    select
        built.account_id,
        built.date

    from built

    left join local_days
        on built.reporting_timezone = local_days.timezone
        and built.date = local_days.local_date

    where local_days.timezone is null

),

asked_for as (

    select * from {{ requested_days('fct_delivery_daily') }}

),

touched as (

    select
        *,
        'new or changed events' as reason
    from counted_now
    where account_id not in (select redrawn.account_id from redrawn)

    union

    select
        *,
        'another time zone' as reason
    from counted_now
    where account_id in (select redrawn.account_id from redrawn)

    union

    select
        *,
        'another time zone' as reason
    from counted_before

    union

    select
        *,
        'new time zone data' as reason
    from loaded_days

    union

    select
        *,
        'new time zone data' as reason
    from vanished_days

    union

    select
        *,
        'asked for' as reason
    from asked_for

)

select * from touched
