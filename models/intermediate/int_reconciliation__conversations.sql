{{ config(materialized='ephemeral') }}

{# How many conversations each day has in fct_handoff_conversations and
   fct_conversation_outcomes, against the raw events. #}
with

tallied as (

    select * from {{ ref('int_reconciliation__tallied') }}

),

metrics as (

    select * from {{ ref('reporting_metrics') }}
    where metric in ('bot_resolutions_count', 'bot_handoffs_count')

),

handoffs_expected as (

    select
        *,
        count as conversations

    from {{ ref('int_reconciliation__measured') }}

    where metric = 'bot_handoffs_count' and dimension_id is not null

),

handoffs_built as (

    select
        account_id,
        date,
        dimension_type,
        dimension_id,
        count(*) as conversations

    from {{ ref('fct_handoff_conversations') }}

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

    group by account_id, date, dimension_type, dimension_id

),

outcomes_expected as (

    select
        account_id,
        date,
        outcome,
        count(*) as conversations

    from (
        select
            tallied.account_id,
            tallied.date,
            tallied.conversation_id,
            case max(metrics.metric = 'bot_handoffs_count')
                when true then 'handed_off'
                else 'bot_resolved'
            end as outcome

        from tallied

        inner join metrics
            on tallied.name = metrics.event_name

        where tallied.placement = 'placed'
            and tallied.conversation_id is not null

        group by tallied.account_id, tallied.date, tallied.conversation_id
    ) as conversations

    group by account_id, date, outcome

),

outcomes_built as (

    select
        account_id,
        date,
        outcome,
        count(*) as conversations

    from {{ ref('fct_conversation_outcomes') }}

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

    group by account_id, date, outcome

),

checks as (

    select
        'handoff_conversations' as check_name,
        {%- for column in [
            'account_id', 'date', 'dimension_type', 'dimension_id',
        ] %}
        coalesce(handoffs_expected.{{ column }}, handoffs_built.{{ column }})
            as {{ column }},
        {%- endfor %}
        'bot_handoffs_count' as metric,
        'conversations' as measure,
        cast(handoffs_expected.conversations as double) as expected,
        cast(handoffs_built.conversations as double) as actual

    from handoffs_expected

    full outer join handoffs_built
        on handoffs_expected.account_id = handoffs_built.account_id
        and handoffs_expected.date = handoffs_built.date
        and handoffs_expected.dimension_type = handoffs_built.dimension_type
        and handoffs_expected.dimension_id = handoffs_built.dimension_id

    union all

    select
        'conversation_outcomes' as check_name,
        coalesce(outcomes_expected.account_id, outcomes_built.account_id)
            as account_id,
        coalesce(outcomes_expected.date, outcomes_built.date) as date,
        'account' as dimension_type,
        coalesce(outcomes_expected.account_id, outcomes_built.account_id)
            as dimension_id,
        coalesce(outcomes_expected.outcome, outcomes_built.outcome) as metric,
        'conversations' as measure,
        cast(outcomes_expected.conversations as double) as expected,
        cast(outcomes_built.conversations as double) as actual

    from outcomes_expected

    full outer join outcomes_built
        on outcomes_expected.account_id = outcomes_built.account_id
        and outcomes_expected.date = outcomes_built.date
        and outcomes_expected.outcome = outcomes_built.outcome

)

select * from checks
