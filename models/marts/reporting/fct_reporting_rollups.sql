{{ config(
    materialized='touched_groups',
    unique_key=[
        'account_id', 'date', 'dimension_type', 'dimension_id', 'metric',
    ],
    meta={
        'touched_by': 'int_reporting_days__touched',
        'group_by': ['account_id', 'date'],
        'partition_by': 'date',
        'written_at': 'rebuilt_at',
    },
    post_hook="{{ note_rebuilt_days('int_reporting_days__touched') }}",
) }}

with

events as (

    select * from {{ ref('fct_reporting_events') }}

    where {{ is_touched(
        'fct_reporting_rollups',
        ref('int_reporting_days__touched'),
        ['account_id', 'date'],
    ) }}

),

metrics as (

    select * from {{ ref('reporting_metrics') }}

),

measured as (

    select
        events.account_id,
        events.date,
        events.user_id,
        events.inbox_id,
        events.conversation_id,
        events.reporting_timezone,
        metrics.metric,
        metrics.counted = 'conversations' as counts_conversations,
        case when metrics.sums_values then events.value end as value,
        case when metrics.sums_values then events.value_in_business_hours end
            as value_in_business_hours

    from events

    inner join metrics
        on events.name = metrics.event_name

),

{# All three dimensions in one pass over the events. Which of them a row is of
   is told by grouping(), not by nulls: an event may have no agent. #}
counted as (

    select
        account_id,
        date,
        user_id,
        inbox_id,
        metric,
        grouping(user_id) = 0 as is_of_agent,
        grouping(inbox_id) = 0 as is_of_inbox,
        count(*) filter (where not counts_conversations) as events,
        count(distinct conversation_id) filter (where counts_conversations)
            as conversations,
        count(value) as value_count,
        {{ sum_of('value') }} as sum_value,
        count(value_in_business_hours) as business_hours_value_count,
        {{ sum_of('value_in_business_hours') }} as sum_value_business_hours,
        min(reporting_timezone) as reporting_timezone

    from measured

    group by grouping sets ( -- noqa: PRS
        (account_id, date, metric),
        (account_id, date, metric, user_id),
        (account_id, date, metric, inbox_id)
    )

),

rollups as (

    select
        account_id,
        date,
        case
            when is_of_agent then 'agent'
            when is_of_inbox then 'inbox'
            else 'account'
        end as dimension_type,
        case
            when is_of_agent then user_id
            when is_of_inbox then inbox_id
            else account_id
        end as dimension_id,
        metric,
        events + conversations as count,
        value_count,
        coalesce(sum_value, 0) as sum_value,
        business_hours_value_count,
        coalesce(sum_value_business_hours, 0) as sum_value_business_hours,
        reporting_timezone,
        current_timestamp as rebuilt_at

    from counted

)

select * from rollups

where count > 0 and dimension_id is not null

{# In the order of days, by which later builds skip what they needn't read. #}
order by date, account_id
