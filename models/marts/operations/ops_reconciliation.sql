{{ config(
    materialized='touched_groups',
    unique_key=[
        'check_name', 'account_id', 'date', 'dimension_type', 'dimension_id',
        'metric', 'measure',
    ],
    meta={
        'touched_by': 'int_reconciliation_days__touched',
        'group_by': ['account_id', 'date'],
        'partition_by': 'date',
        'written_at': 'checked_at',
    },
) }}

-- depends_on: {{ ref('int_reconciliation_days__touched') }}

with

checked as (

    select * from {{ ref('int_reconciliation__rollups') }}
    union all
    select * from {{ ref('int_reconciliation__dimensions') }}
    union all
    select * from {{ ref('int_reconciliation__conversations') }}
    union all
    select * from {{ ref('int_reconciliation__unplaced') }}

),

accounts as (

    select * from {{ ref('stg_app__accounts') }}

),

zone_lags as (

    select * from {{ ref('engine_zone_lags') }}

),

{# Sums are compared as doubles are: to 1e-9 of the greater one, and where they
   cancel out, to 1e-9 seconds. #}
judged as (

    select
        checked.*,
        coalesce(
            abs(checked.expected - checked.actual)
            <= 1e-9 * greatest(
                abs(checked.expected), abs(checked.actual), 1.0
            ),
            false
        ) as agrees,
        checked.check_name in (
            'left_out', 'without_zone', 'without_day', 'without_account'
        ) as is_only_counted,
        coalesce(checked.date >= zone_lags.differs_from - 1, false)
            as engine_is_older

    from checked

    left join accounts
        on checked.account_id = accounts.account_id

    left join zone_lags
        on accounts.reporting_timezone = zone_lags.timezone

),

cells as (

    select
        check_name,
        account_id,
        date,
        dimension_type,
        dimension_id,
        metric,
        measure,
        expected,
        actual,
        coalesce(actual, 0) - coalesce(expected, 0) as difference,
        case
            when is_only_counted then check_name
            when agrees then 'ok'
            when engine_is_older then 'zone_data_differs'
            when actual is null then 'missing'
            when expected is null then 'extra'
            else 'differs'
        end as status,
        current_timestamp as checked_at

    from judged

)

select * from cells

{# In the order of days, by which later builds skip what they needn't read. #}
order by date, account_id
