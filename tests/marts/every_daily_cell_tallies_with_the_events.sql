{#
    Recounted from the events by another route: the day is found by searching
    for the interval that the instant lies in, where the model looks it up by
    the day of UTC. Missing and extra cells both fail.

    At most builds only the days of events and cells that were written since this
    test last passed.
#}
{%- set whole = tests_whole(['fct_message_events', 'fct_delivery_daily']) -%}
{%- set written = changed_days('fct_message_events', 'fct_delivery_daily') -%}
{%- set stretches = [(none, none)] if whole else stretches_of(written) -%}

with

time_zone_days as (

    select * from {{ ref('stg_tallybook__time_zone_days') }}

    where timezone in (
            select accounts.reporting_timezone
            from {{ ref('int_accounts') }} as accounts
        )

),

message_events as (

    {%- for first, last in stretches %}

    select * from {{ ref('fct_message_events') }}

    where event_type not in ('unknown', 'inbound')
        and {{ in_stretch('occurred_at', first, last, east='14', west='12') }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}

),

events as (

    select
        accounts.account_id,
        accounts.reporting_timezone,
        message_events.event_type,
        message_events.recipient_key,
        message_events.occurred_at

    from message_events

    inner join {{ ref('int_accounts') }} as accounts
        on message_events.account_id = accounts.account_id

),

located as (

    select
        events.*,
        time_zone_days.local_date as date

    from events

    {{ nearest() }} inner join time_zone_days
        on events.reporting_timezone = time_zone_days.timezone
        and events.occurred_at >= time_zone_days.starts_at

    where events.occurred_at < time_zone_days.ends_at

),

recounted as (

    select
        account_id,
        date,
        event_type,
        reporting_timezone,
        count(*) as events,
        count(distinct recipient_key) as recipients

    from located

    where {{ 'true' if whole else '(account_id, date) in ' ~ written }}

    group by account_id, date, event_type, reporting_timezone

),

daily as (

    select * from {{ ref('fct_delivery_daily') }}

    where {{ 'true' if whole else '(account_id, date) in ' ~ written }}

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
