{{ config(materialized='ephemeral') }}

{# What was tallied, for each metric and dimension; events without the id of a
   dimension are the row whose dimension_id is null. #}
with

tallied as (

    select
        tallied.*,
        metrics.metric,
        metrics.counted,
        metrics.sums_values

    from {{ ref('int_reconciliation__tallied') }} as tallied

    inner join {{ ref('reporting_metrics') }} as metrics
        on tallied.name = metrics.event_name

    where tallied.placement = 'placed'
        and (
            metrics.counted = 'events'
            or tallied.conversation_id is not null
        )

),

{%- set dimensions = {
    'account': 'account_id', 'agent': 'user_id', 'inbox': 'inbox_id',
} %}

measured as (

    {%- for dimension, id in dimensions.items() %}

    select
        account_id,
        date,
        '{{ dimension }}' as dimension_type,
        {{ id }} as dimension_id,
        metric,
        case min(counted)
            when 'conversations' then count(distinct conversation_id)
            else sum(count)
        end as count,
        {%- for sum in [
            'value_count', 'sum_value', 'business_hours_value_count',
            'sum_value_business_hours',
        ] %}
        coalesce(sum({{ sum }}) filter (where sums_values), 0) as {{ sum }},
        {%- endfor %}
        min(counted) as counted

    from tallied

    group by {{ ['account_id', 'date', id, 'metric'] | unique | join(', ') }}
    {{- '\n\n    union all' if not loop.last }}
    {%- endfor %}

)

select * from measured
