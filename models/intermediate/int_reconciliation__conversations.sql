{{ config(materialized='ephemeral') }}

{# Which conversations each day has in fct_handoff_conversations and
   fct_conversation_outcomes, against the raw events: how many of those that
   there should be are there, and how many more. #}
{%- set dimensions = {
    'account': 'account_id', 'agent': 'user_id', 'inbox': 'inbox_id',
} %}
{%- set cell = [
    'check_name', 'account_id', 'date', 'dimension_type', 'dimension_id',
    'metric',
] %}

with

tallied as (

    select
        tallied.*,
        metrics.metric = 'bot_handoffs_count' as is_handoff

    from {{ ref('int_reconciliation__tallied') }} as tallied

    inner join {{ ref('reporting_metrics') }} as metrics
        on tallied.name = metrics.event_name

    where tallied.placement = 'placed'
        and tallied.conversation_id is not null
        and metrics.metric in ('bot_resolutions_count', 'bot_handoffs_count')

),

expected as (

    {%- for dimension, id in dimensions.items() %}

    select distinct
        'handoff_conversations' as check_name,
        account_id,
        date,
        '{{ dimension }}' as dimension_type,
        {{ id }} as dimension_id,
        'bot_handoffs_count' as metric,
        conversation_id

    from tallied

    where is_handoff
        and {{ id }} is not null

    union all
    {%- endfor %}

    select
        'conversation_outcomes' as check_name,
        account_id,
        date,
        'account' as dimension_type,
        account_id as dimension_id,
        case when bool_or(is_handoff) then 'handed_off' else 'bot_resolved' end
            as metric,
        conversation_id

    from tallied

    group by account_id, date, conversation_id

),

built as (

    select
        'handoff_conversations' as check_name,
        account_id,
        date,
        dimension_type,
        dimension_id,
        'bot_handoffs_count' as metric,
        conversation_id

    from {{ ref('fct_handoff_conversations') }}

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

    union all

    select
        'conversation_outcomes' as check_name,
        account_id,
        date,
        'account' as dimension_type,
        account_id as dimension_id,
        outcome as metric,
        conversation_id

    from {{ ref('fct_conversation_outcomes') }}

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

),

compared as (

    select
        {%- for column in cell %}
        coalesce(expected.{{ column }}, built.{{ column }}) as {{ column }},
        {%- endfor %}
        expected.conversation_id is not null as is_expected,
        built.conversation_id is not null as is_built

    from expected

    full outer join built
        on expected.conversation_id = built.conversation_id
        {%- for column in cell %}
        and expected.{{ column }} = built.{{ column }}
        {%- endfor %}

),

checks as (

    select
        {{ cell | join(', ') }},
        'conversations' as measure,
        cast(count(*) filter (where is_expected) as double) as expected,
        cast(count(*) filter (where is_built and is_expected) as double)
            as actual

    from compared

    group by {{ cell | join(', ') }}

    having count(*) filter (where is_expected) > 0

    union all

    select
        {{ cell | join(', ') }},
        'other conversations' as measure,
        cast(0 as double) as expected,
        cast(count(*) as double) as actual

    from compared

    where not is_expected

    group by {{ cell | join(', ') }}

)

select * from checks
