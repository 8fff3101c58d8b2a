{{ config(materialized='ephemeral') }}

{# What the bot did with a conversation. Which events say so, the metrics do:
   they are the one place that maps events. #}
with

events as (

    select * from {{ ref('fct_reporting_events') }}

),

metrics as (

    select * from {{ ref('reporting_metrics') }}
    where metric in ('bot_resolutions_count', 'bot_handoffs_count')

),

bot_events as (

    select
        events.event_id,
        events.account_id,
        events.date,
        events.conversation_id,
        events.user_id,
        events.inbox_id,
        events.created_at,
        events.reporting_timezone,
        metrics.metric = 'bot_handoffs_count' as is_handoff

    from events

    inner join metrics
        on events.name = metrics.event_name

    where events.conversation_id is not null

)

select * from bot_events
