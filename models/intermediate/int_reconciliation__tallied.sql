{{ config(materialized='ephemeral') }}

{# The raw events once through, as few rows as everything further needs:
   conversations are told apart only where some metric asks for them. #}
with

events as (

    select * from {{ ref('int_reconciliation__events') }}

),

conversation_events as (

    select distinct event_name
    from {{ ref('reporting_metrics') }}
    where counted = 'conversations'
        or metric in ('bot_resolutions_count', 'bot_handoffs_count')

),

tallied as (

    select
        events.account_id,
        events.date,
        events.placement,
        events.name,
        events.user_id,
        events.inbox_id,
        case
            when conversation_events.event_name is not null
                then events.conversation_id
        end as conversation_id,
        count(*) as count,
        count(events.value) as value_count,
        {{ sum_of('events.value') }} as sum_value,
        count(events.value_in_business_hours) as business_hours_value_count,
        {{ sum_of('events.value_in_business_hours') }}
            as sum_value_business_hours

    from events

    left join conversation_events
        on events.name = conversation_events.event_name

    group by all

)

select * from tallied
