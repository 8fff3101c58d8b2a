{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_client_events_daily',
        'fingerprint': ['int_client_settings'],
    },
) }}

-- depends_on: {{ ref('int_client_settings') }}

{%- do check_local_days() %}

with

accounts as (

    select * from {{ ref('int_accounts') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

built as (

    select *
    from {{ already_built(
        'fct_client_events_daily', ['account_key', 'date', 'reporting_timezone']
    ) }}

    where account_key <> ''

),

drawn as (

    select distinct
        account_key,
        reporting_timezone

    from built

),

{# An account that came, went, or moved to another zone: its whole history, and
   what was counted without an account before it came. #}
redrawn as (

    select accounts.account_id

    from accounts

    left join drawn
        on accounts.account_id = drawn.account_key
        and accounts.reporting_timezone = drawn.reporting_timezone

    where drawn.account_key is null
        and accounts.load_id in {{ arrived('fct_client_events_daily') }}

    union

    select drawn.account_key as account_id

    from drawn

    left join accounts
        on drawn.account_key = accounts.account_id
        and drawn.reporting_timezone = accounts.reporting_timezone

    where accounts.account_id is null

),

instants as (

    select
        given_account_id,
        occurred_at,
        'new events' as reason

    from {{ ref('stg_clients__events') }}

    where load_id in {{ arrived('fct_client_events_daily') }}

    union

    select
        given_account_id,
        occurred_at,
        'another account or time zone' as reason

    from {{ ref('stg_clients__events') }}

    where given_account_id in (select redrawn.account_id from redrawn)

),

touched as (

    select
        accounts.account_id as account_key,
        local_days.local_date as date,
        instants.reason

    from instants

    inner join accounts
        on instants.given_account_id = accounts.account_id

    inner join local_days
        on accounts.reporting_timezone = local_days.timezone
        and {{ utc_day('instants.occurred_at') }} = local_days.utc_day
        and instants.occurred_at >= local_days.starts_at
        and instants.occurred_at < local_days.ends_at

    union

    select
        '' as account_key,
        {{ utc_date('occurred_at') }} as date,
        reason

    from instants

    union

    select
        account_key,
        date,
        'another account or time zone' as reason

    from built

    where account_key in (select redrawn.account_id from redrawn)

    union

    {# Days of zones that were loaded since: first seen, or of newer tzdata. #}
    select
        accounts.account_id as account_key,
        local_days.local_date as date,
        'new time zone data' as reason

    from local_days

    inner join accounts
        on local_days.timezone = accounts.reporting_timezone

    where local_days.load_id in {{ arrived('fct_client_events_daily') }}

    union

    {# Dates that newer tzdata doesn't have any more. #}
    select
        built.account_key,
        built.date,
        'new time zone data' as reason

    from built

    left join local_days
        on built.reporting_timezone = local_days.timezone
        and built.date = local_days.local_date

    where local_days.timezone is null

    union

    select
        asked_for.account_id as account_key,
        asked_for.date,
        'asked for' as reason

    from {{ requested_days('fct_client_events_daily') }} as asked_for

),

{# For whoever asks which days were built again. #}
named as (

    select
        *,
        coalesce(nullif(account_key, ''), 'without account') as account_id

    from touched

)

select * from named
