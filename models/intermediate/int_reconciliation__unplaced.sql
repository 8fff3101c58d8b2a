{{ config(materialized='ephemeral') }}

{# Events that no daily row can hold, counted by the UTC date that they happened
   on: conversation events whose account has no valid zone or whose clock was
   broken, client events whose account has no valid zone, and delivery events of
   a domain that no account, or more than one, sends from. #}
with

unplaced as (

    select
        placement as check_name,
        account_id,
        date,
        'account' as dimension_type,
        account_id as dimension_id,
        'reporting_events' as metric,
        sum(count) as events

    from {{ ref('int_reconciliation__tallied') }}

    where placement <> 'placed'

    group by placement, account_id, date

),

unowned as (

    {%- for first, last in touched_stretches(
        'ops_reconciliation', ref('int_reconciliation_days__touched')
    ) %}

    select
        event_key,
        domain,
        {{ engine_local_date('occurred_at', "'UTC'") }} as date

    from {{ ref('fct_message_events') }}

    where account_id is null
        and counts_in_delivery
        and {{ in_stretch('occurred_at', first, last) }}
    {{- '\n\n    union all' if not loop.last }}
    {%- endfor %}

),

accounts_without_zone as (

    select account_id from {{ ref('int_accounts') }}

    where reporting_timezone is null
        or reporting_timezone not in (
            select local_days.timezone
            from {{ ref('int_local_days') }} as local_days
        )

),

client_events as (

    {%- for first, last in touched_stretches(
        'ops_reconciliation', ref('int_reconciliation_days__touched')
    ) %}

    select
        given_account_id,
        {{ utc_date('occurred_at') }} as date

    from {{ ref('stg_clients__events') }}

    where given_account_id in (
            select accounts_without_zone.account_id from accounts_without_zone
        )
        and load_id in (
            select loads.load_id from {{ ref('stg_ledger__loads') }} as loads
        )
        and {{ in_stretch('occurred_at', first, last) }}
    {{- '\n\n    union all' if not loop.last }}
    {%- endfor %}

),

clients_without_zone as (

    select
        'without_zone' as check_name,
        given_account_id as account_id,
        date,
        'account' as dimension_type,
        given_account_id as dimension_id,
        'client_events' as metric,
        count(*) as events

    from client_events

    group by given_account_id, date

),

without_account as (

    select
        'without_account' as check_name,
        '' as account_id,
        date,
        'domain' as dimension_type,
        coalesce(domain, '') as dimension_id,
        'delivery_events' as metric,
        count(*) as events

    from unowned

    group by date, domain

),

unioned as (

    select * from unplaced
    union all
    select * from clients_without_zone
    union all
    select * from without_account

),

checks as (

    select
        check_name,
        account_id,
        date,
        dimension_type,
        dimension_id,
        metric,
        'count' as measure,
        cast(events as double) as expected,
        cast(0 as double) as actual

    from unioned

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

)

select * from checks
