{{ config(materialized='ephemeral') }}

{# Agents and inboxes against their account. What is additive must add up with
   the events that have no agent or inbox; of distinct conversations no part is
   larger than the whole, and all parts together are not smaller. #}
with

left_out as (

    select * from {{ ref('int_reconciliation__measured') }}
    where dimension_id is null

),

rollups as (

    select * from {{ ref('fct_reporting_rollups') }}

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

),

metrics as (

    select
        metric,
        min(counted) as counted

    from {{ ref('reporting_metrics') }}

    group by metric

),

parts as (

    select
        account_id,
        date,
        dimension_type,
        metric,
        sum(count) as together,
        max(count) as largest

    from rollups

    where dimension_type <> 'account'

    group by account_id, date, dimension_type, metric

),

wholes as (

    select
        rollups.account_id,
        rollups.date,
        dimensions.dimension_type,
        rollups.metric,
        metrics.counted,
        rollups.count as whole,
        coalesce(left_out.count, 0) as left_out,
        coalesce(parts.together, 0) as together,
        coalesce(parts.largest, 0) as largest

    from rollups

    inner join metrics
        on rollups.metric = metrics.metric

    cross join (values ('agent'), ('inbox')) as dimensions (dimension_type)

    left join parts
        on rollups.account_id = parts.account_id
        and rollups.date = parts.date
        and dimensions.dimension_type = parts.dimension_type
        and rollups.metric = parts.metric

    left join left_out
        on rollups.account_id = left_out.account_id
        and rollups.date = left_out.date
        and dimensions.dimension_type = left_out.dimension_type
        and rollups.metric = left_out.metric

    where rollups.dimension_type = 'account'

),

checks as (

    select
        'cross_footing' as check_name,
        account_id,
        date,
        dimension_type,
        '' as dimension_id,
        metric,
        'count' as measure,
        cast(whole as double) as expected,
        cast(case
            when counted = 'events' then together + left_out
            when largest > whole then largest
            else least(together + left_out, whole)
        end as double) as actual

    from wholes

    union all

    select
        'left_out' as check_name,
        account_id,
        date,
        dimension_type,
        '' as dimension_id,
        metric,
        'count' as measure,
        cast(left_out as double) as expected,
        cast(0 as double) as actual

    from wholes

    where left_out > 0

)

select * from checks
