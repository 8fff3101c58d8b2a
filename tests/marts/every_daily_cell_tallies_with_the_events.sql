{#
    Recounted from the events by another route: the day is found by searching
    for the interval that the instant lies in, where the model looks it up by
    the day of UTC. Missing and extra cells both fail.
#}
with

events as (

    select
        accounts.account_id,
        accounts.reporting_timezone,
        message_events.event_type,
        message_events.recipient_key,
        message_events.occurred_at

    from {{ ref('fct_message_events') }} as message_events

    inner join {{ ref('int_accounts') }} as accounts
        on message_events.account_id = accounts.account_id

    where message_events.event_type not in ('unknown', 'inbound')

),

time_zone_days as (

    select * from {{ ref('stg_tallybook__time_zone_days') }}

),

located as (

    select
        events.*,
        time_zone_days.local_date

    from events

    asof inner join time_zone_days
        on events.reporting_timezone = time_zone_days.timezone
        and events.occurred_at >= time_zone_days.starts_at

    where events.occurred_at < time_zone_days.ends_at

),

recounted as (

    select
        account_id,
        local_date as date,
        event_type,
        reporting_timezone,
        count(*) as events,
        count(distinct recipient_key) as recipients

    from located

    group by account_id, local_date, event_type, reporting_timezone

),

daily as (

    select * from {{ ref('fct_delivery_daily') }}

)

select
    coalesce(recounted.account_id, daily.account_id) as account_id,
    coalesce(recounted.date, daily.date) as date,
    coalesce(recounted.event_type, daily.event_type) as event_type,
    recounted.events as expected_events,
    daily.events as actual_events,
    recounted.recipients as expected_recipients,
    daily.recipients as actual_recipients

from recounted

full outer join daily
    on recounted.account_id = daily.account_id
    and recounted.date = daily.date
    and recounted.event_type = daily.event_type

where recounted.events is distinct from daily.events
    or recounted.recipients is distinct from daily.recipients
    or recounted.reporting_timezone is distinct from daily.reporting_timezone
