{{ config(
    materialized='touched_groups',
    unique_key=['account_id', 'conversation_id', 'date'],
    meta={
        'touched_by': 'int_outcome_days__touched',
        'group_by': ['account_id', 'date'],
    },
) }}

with

bot_events as (

    select * from {{ ref('int_bot_events') }}

    where {{ is_touched(
        'fct_conversation_outcomes',
        ref('int_outcome_days__touched'),
        ['account_id', 'date'],
    ) }}

),

counted as (

    select
        account_id,
        conversation_id,
        date,
        count(*) filter (where not is_handoff) as bot_resolutions,
        count(*) filter (where is_handoff) as bot_handoffs,
        min(reporting_timezone) as reporting_timezone

    from bot_events

    group by account_id, conversation_id, date

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
