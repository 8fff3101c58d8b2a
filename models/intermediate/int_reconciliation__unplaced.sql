{{ config(materialized='ephemeral') }}

{# Events that no daily row can hold, counted by the UTC date that they happened
   on: conversation events whose account has no valid zone or whose clock was
   broken, and delivery events of a domain that no account, or more than one,
   sends from. #}
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

    where account_id is null and counts_in_delivery
    {%- if first is not none %}
        and occurred_at >= timestamptz '{{ first }} 00:00:00+00'
        and occurred_at <= timestamptz '{{ last }} 23:59:59.999999+00'
    {%- endif %}
    {{- '\n\n    union all' if not loop.last }}
    {%- endfor %}

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
