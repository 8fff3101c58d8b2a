{{ config(
    materialized='touched_groups',
    unique_key=['account_id', 'conversation_id', 'date'],
    meta={
        'touched_by': 'int_outcomes__touched',
        'group_by': ['account_id', 'date', 'conversation_id'],
        'partition_by': 'date',
    },
) }}

with

events as (

    select * from {{ ref('fct_reporting_events') }}

    where {{ is_touched(
        'fct_conversation_outcomes',
        ref('int_outcomes__touched'),
        ['account_id', 'date', 'conversation_id'],
    ) }}

),

metrics as (

    select * from {{ ref('reporting_metrics') }}
    where metric in ('bot_resolutions_count', 'bot_handoffs_count')

),

counted as (

    select
        events.account_id,
        events.conversation_id,
        events.date,
        count(*) filter (where metrics.metric = 'bot_resolutions_count')
            as bot_resolutions,
        count(*) filter (where metrics.metric = 'bot_handoffs_count')
            as bot_handoffs,
        min(events.reporting_timezone) as reporting_timezone

    from events

    inner join metrics
        on events.name = metrics.event_name

    where events.conversation_id is not null

    group by events.account_id, events.conversation_id, events.date

),

{# Whoever needed a human was not helped by the bot, whatever came first. #}
outcomes as (

    select
        account_id,
        conversation_id,
        date,
        case when bot_handoffs > 0 then 'handed_off' else 'bot_resolved' end
            as outcome,
        bot_resolutions,
        bot_handoffs,
        reporting_timezone

    from counted

)

select * from outcomes

{# In the order of days, by which later builds skip what they needn't read. #}
order by date, account_id
