{{ config(materialized='ephemeral') }}

{# Every cell of the rollups beside the raw events counted once more; the sides
   are joined in full, so that a missing cell shows as well as one too many. #}
{%- set measures = [
    'count', 'value_count', 'sum_value', 'business_hours_value_count',
    'sum_value_business_hours',
] %}

with

recounted as (

    select * from {{ ref('int_reconciliation__measured') }}
    where dimension_id is not null

),

rollups as (

    select * from {{ ref('fct_reporting_rollups') }}

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

),

cells as (

    select
        coalesce(recounted.account_id, rollups.account_id) as account_id,
        coalesce(recounted.date, rollups.date) as date,
        coalesce(recounted.dimension_type, rollups.dimension_type)
            as dimension_type,
        coalesce(recounted.dimension_id, rollups.dimension_id) as dimension_id,
        {%- for measure in measures %}
        cast(recounted.{{ measure }} as double) as expected_{{ measure }},
        cast(rollups.{{ measure }} as double) as actual_{{ measure }},
        {%- endfor %}
        coalesce(recounted.metric, rollups.metric) as metric

    from recounted

    full outer join rollups
        on recounted.account_id = rollups.account_id
        and recounted.date = rollups.date
        and recounted.dimension_type = rollups.dimension_type
        and recounted.dimension_id = rollups.dimension_id
        and recounted.metric = rollups.metric

),

by_measure as (

    {%- for measure in measures %}

    select
        'rollups' as check_name,
        account_id,
        date,
        dimension_type,
        dimension_id,
        metric,
        '{{ measure }}' as measure,
        expected_{{ measure }} as expected,
        actual_{{ measure }} as actual

    from cells

    {%- if measure != 'count' %}

    {# Nothing is expected of what a metric doesn't sum. #}
    where expected_{{ measure }} <> 0
        or actual_{{ measure }} <> 0
    {%- endif %}
    {{- '\n\n    union all' if not loop.last }}
    {%- endfor %}

)

select * from by_measure
