{{ config(
    materialized='touched_groups',
    unique_key=[
        'account_id', 'date', 'dimension_type', 'dimension_id',
        'conversation_id',
    ],
    meta={
        'touched_by': 'int_handoffs__touched',
        'group_by': ['account_id', 'date', 'conversation_id'],
        'partition_by': 'date',
    },
) }}

with

events as (

    select * from {{ ref('fct_reporting_events') }}

    where {{ is_touched(
        'fct_handoff_conversations',
        ref('int_handoffs__touched'),
        ['account_id', 'date', 'conversation_id'],
    ) }}

),

metrics as (

    select * from {{ ref('reporting_metrics') }}
    where metric = 'bot_handoffs_count'

),

handoffs as (

    select events.*

    from events

    inner join metrics
        on events.name = metrics.event_name

    where events.conversation_id is not null

),

{% set dimensions = {
    'account': 'account_id', 'agent': 'user_id', 'inbox': 'inbox_id',
} -%}
by_dimension as (

    {%- for dimension, id in dimensions.items() %}

    select
        account_id,
        date,
        '{{ dimension }}' as dimension_type,
        {{ id }} as dimension_id,
        conversation_id,
        created_at,
        reporting_timezone

    from handoffs

    where {{ id }} is not null
    {{- '\n\n    union all' if not loop.last }}
    {%- endfor %}

),

conversations as (

    select
        account_id,
        date,
        dimension_type,
        dimension_id,
        conversation_id,
        count(*) as handoffs,
        min(created_at) as first_handoff_at,
        min(reporting_timezone) as reporting_timezone

    from by_dimension

    group by account_id, date, dimension_type, dimension_id, conversation_id

)

select * from conversations

{# In the order of days, by which later builds skip what they needn't read. #}
order by date, account_id
