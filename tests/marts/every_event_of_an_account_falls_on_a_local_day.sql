{#
    Where the account's zone is an IANA zone, each of its events that counts is in
    a day, found by searching for its interval; every_daily_cell_tallies… proves
    that it is counted there.

    At most builds only the events that were written since this test last passed.
#}
{%- set events = is_untested(
    ['fct_message_events'], ['occurred_at', 'event_key']
) -%}

with

time_zone_days as (

    select * from {{ ref('stg_tallybook__time_zone_days') }}

    where timezone in (
            select accounts.reporting_timezone
            from {{ ref('int_accounts') }} as accounts
        )

),

zones as (

    select distinct timezone from time_zone_days

),

accounts as (

    select * from {{ ref('int_accounts') }}
    where reporting_timezone in (select zones.timezone from zones)

),

message_events as (

    select * from {{ ref('fct_message_events') }}

    where counts_in_delivery
        and {{ events }}

),

events as (

    select
        message_events.event_key,
        message_events.occurred_at,
        accounts.account_id,
        accounts.reporting_timezone

    from message_events

    inner join accounts
        on message_events.account_id = accounts.account_id

),

placed as (

    select events.event_key

    from events

    {{ nearest() }} inner join time_zone_days
        on events.reporting_timezone = time_zone_days.timezone
        and events.occurred_at >= time_zone_days.starts_at

    where events.occurred_at < time_zone_days.ends_at

)

select events.*

from events

left join placed
    on events.event_key = placed.event_key

where placed.event_key is null
