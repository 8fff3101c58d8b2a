{{ config(
    materialized='touched_list',
    meta={
        'touches': 'ops_reconciliation',
        'rebuilt_with': [
            'fct_reporting_events', 'fct_reporting_rollups',
            'fct_handoff_conversations', 'fct_conversation_outcomes',
            'fct_message_events',
        ],
        'fingerprint': [
            'reporting_metrics', 'engine_zone_lags', 'int_client_settings',
        ],
        'rebuilt_after_hours': 24,
    },
) }}

-- depends_on: {{ ref('reporting_metrics') }}
-- depends_on: {{ ref('engine_zone_lags') }}
-- depends_on: {{ ref('int_client_settings') }}
-- depends_on: {{ ref('fct_reporting_events') }}
-- depends_on: {{ ref('fct_reporting_rollups') }}
-- depends_on: {{ ref('fct_handoff_conversations') }}
-- depends_on: {{ ref('fct_conversation_outcomes') }}
-- depends_on: {{ ref('fct_message_events') }}

with

accounts as (

    select * from {{ ref('int_reconciliation__accounts') }}

),

arrived_accounts as (

    select account_id
    from {{ ref('stg_app__accounts') }}
    where load_id in {{ arrived('ops_reconciliation') }}

),

built as (

    select *
    from {{ already_built(
        'ops_reconciliation', ['status', 'account_id', 'date']
    ) }}

),

{# What arrived is looked at by itself: a model that overlooks an event lists no
   change either. #}
arrived_events as (

    select
        account_id,
        created_at

    from {{ ref('stg_app__reporting_events') }}

    where load_id in {{ arrived('ops_reconciliation') }}

    union

    select
        account_id,
        created_at

    from {{ ref('stg_app__reporting_events') }}

    where account_id in (
            select arrived_accounts.account_id from arrived_accounts
        )

),

arrived_days as (

    select
        arrived_events.account_id,
        {{ engine_local_date(
            "coalesce(arrived_events.created_at, " ~ never() ~ ")",
            "coalesce(accounts.reporting_timezone, 'UTC')",
        ) }} as date

    from arrived_events

    left join accounts
        on arrived_events.account_id = accounts.account_id

),

client_days as (

    select
        given_account_id as account_id,
        {{ utc_date('occurred_at') }} as date

    from {{ ref('stg_clients__events') }}

    where load_id in {{ arrived('ops_reconciliation') }}
        and given_account_id not in (
            select accounts.account_id from accounts
        )

    union

    select
        given_account_id as account_id,
        {{ utc_date('occurred_at') }} as date

    from {{ ref('stg_clients__events') }}

    where given_account_id in (
            select arrived_accounts.account_id from arrived_accounts
            except
            select accounts.account_id from accounts
        )

),

unowned_days as (

    select
        '' as account_id,
        {{ engine_local_date('occurred_at', "'UTC'") }} as date

    from {{ changes('fct_message_events', 'ops_reconciliation') }}

    where account_id is null

),

{# What didn't tally, or had no day: no mart lists a change when that goes. #}
unsettled_days as (

    select
        account_id,
        date

    from built

    where status in (
            'differs', 'missing', 'extra', 'without_zone', 'without_day'
        )

),

touched as (

    {%- for mart in [
        'fct_reporting_events', 'fct_reporting_rollups',
        'fct_handoff_conversations', 'fct_conversation_outcomes',
    ] %}

    select
        account_id,
        date
    from {{ changes(mart, 'ops_reconciliation') }}

    union
    {%- endfor %}

    select
        account_id,
        date
    from {{ requested_days('ops_reconciliation') }}

    union

    select * from arrived_days
    union
    select * from client_days
    union
    select * from unowned_days
    union
    select * from unsettled_days

)

{# Once each: what is null here was built as ''. #}
select distinct
    coalesce(account_id, '') as account_id,
    date

from touched

where date is not null
