{{ config(materialized='ephemeral') }}

{# Each event once for each metric that counts it, in each dimension; without
   the id of a dimension, dimension_id is null. #}
with

events as (

    select * from {{ ref('int_reconciliation__events') }}
    where has_zone

),

metrics as (

    select * from {{ ref('reporting_metrics') }}

),

measured as (

    select
        events.account_id,
        events.date,
        dimensions.dimension_type,
        case dimensions.dimension_type
            when 'account' then events.account_id
            when 'agent' then events.user_id
            when 'inbox' then events.inbox_id
        end as dimension_id,
        metrics.metric,
        metrics.counted,
        events.conversation_id,
        case when metrics.sums_values then events.value end as value,
        case when metrics.sums_values then events.value_in_business_hours end
            as value_in_business_hours

    from events

    inner join metrics
        on events.name = metrics.event_name

    cross join (values ('account'), ('agent'), ('inbox'))
        as dimensions (dimension_type)

    where metrics.counted = 'events' or events.conversation_id is not null

)

select * from measured
