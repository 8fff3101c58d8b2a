-- What one would write without Tallybook: the date by the engine, row by row.
create table byhand.fct_reporting_rollups as
with

metrics as (
    select *
    from (values
        ('conversation_resolved', 'resolutions_count', 'events', false),
        ('conversation_resolved', 'resolution_time', 'events', true),
        ('first_response', 'first_response', 'events', true),
        ('reply_time', 'reply_time', 'events', true),
        ('conversation_bot_resolved', 'bot_resolutions_count', 'events', false),
        ('conversation_bot_handoff', 'bot_handoffs_count', 'conversations', false)
    ) as metrics (event_name, metric, counted, sums_values)
),

measured as (
    select
        events.*,
        cast(events.created_at at time zone accounts.reporting_timezone as date)
            as date,
        accounts.reporting_timezone,
        metrics.metric,
        metrics.counted,
        metrics.sums_values
    from raw.app_reporting_events as events
    inner join raw.app_accounts as accounts
        on events.account_id = accounts.account_id
    inner join metrics
        on events.name = metrics.event_name
    where events.deleted_at is null
),

counted as (
    select
        account_id,
        date,
        case grouping(user_id, inbox_id)
            when 3 then 'account' when 1 then 'agent' else 'inbox'
        end as dimension_type,
        case grouping(user_id, inbox_id)
            when 3 then account_id when 1 then user_id else inbox_id
        end as dimension_id,
        metric,
        count(*) filter (where counted = 'events')
            + count(distinct conversation_id) filter (where counted <> 'events')
            as count,
        count(value) filter (where sums_values) as value_count,
        coalesce(sum(value) filter (where sums_values), 0) as sum_value,
        count(value_in_business_hours) filter (where sums_values)
            as business_hours_value_count,
        coalesce(sum(value_in_business_hours) filter (where sums_values), 0)
            as sum_value_business_hours,
        min(reporting_timezone) as reporting_timezone
    from measured
    group by grouping sets (
        (account_id, date, metric),
        (account_id, date, metric, user_id),
        (account_id, date, metric, inbox_id)
    )
)

select * from counted where count > 0 and dimension_id is not null
