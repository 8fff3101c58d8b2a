{#
    Recounted from raw by another route: the day is found by searching for the
    interval that the instant lies in, and the UTC date by the engine. Missing and
    extra cells both fail.

    At most builds only the days of cells that were written since this test last
    passed, and of loads that came since.
#}
{%- set whole = tests_whole(['fct_client_events_daily']) -%}
{%- set loads = 'true' if whole else 'load_id in ' ~ untested_loads() -%}

-- depends_on: {{ ref('stg_ledger__loads') }}
with

accounts as (

    select * from {{ ref('int_accounts') }}

),

time_zone_days as (

    select * from {{ ref('stg_tallybook__time_zone_days') }}

),

events as (

    select * from {{ ref('stg_clients__events') }}

    where load_id in (
            select loads.load_id from {{ ref('stg_ledger__loads') }} as loads
        )

),

of_accounts as (

    select
        accounts.account_id as account_key,
        accounts.reporting_timezone,
        events.event_name,
        events.occurred_at,
        events.load_id

    from events

    inner join accounts
        on events.given_account_id = accounts.account_id

),

placed as (

    select
        of_accounts.account_key,
        time_zone_days.local_date as date,
        of_accounts.event_name,
        of_accounts.load_id

    from of_accounts

    {{ nearest() }} inner join time_zone_days
        on of_accounts.reporting_timezone = time_zone_days.timezone
        and of_accounts.occurred_at >= time_zone_days.starts_at

    where of_accounts.occurred_at < time_zone_days.ends_at

    union all

    select
        '' as account_key,
        {{ engine_local_date('events.occurred_at', "'UTC'") }} as date,
        events.event_name,
        events.load_id

    from events

    where events.given_account_id is null
        or events.given_account_id not in (
            select accounts.account_id from accounts
        )

),

asked_for as (

    select
        account_key,
        date,
        event_name
    from placed
    where {{ loads }}

    union

    select
        account_key,
        date,
        event_name
    from {{ ref('fct_client_events_daily') if whole
        else untested('fct_client_events_daily') }}

),

recounted as (

    select
        account_key,
        date,
        event_name,
        count(*) as events

    from placed

    where (account_key, date, event_name) in (
            select
                asked_for.account_key,
                asked_for.date,
                asked_for.event_name
            from asked_for
        )

    group by account_key, date, event_name

),

daily as (

    select * from {{ ref('fct_client_events_daily') }}

    where (account_key, date, event_name) in (
            select
                asked_for.account_key,
                asked_for.date,
                asked_for.event_name
            from asked_for
        )

),

compared as (

    select
        coalesce(recounted.account_key, daily.account_key) as account_key,
        coalesce(recounted.date, daily.date) as date,
        coalesce(recounted.event_name, daily.event_name) as event_name,
        recounted.events as expected_events,
        daily.events as actual_events

    from recounted

    full outer join daily
        on recounted.account_key = daily.account_key
        and recounted.date = daily.date
        and recounted.event_name = daily.event_name

)

select * from compared

where expected_events is distinct from actual_events
