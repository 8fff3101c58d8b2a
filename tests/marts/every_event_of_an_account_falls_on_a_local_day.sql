{#
    Where the account's zone is an IANA zone, each of its events that counts
    is in exactly one day: the daily events add up to all of them.
#}
with

zones as (

    select distinct timezone from {{ ref('stg_tallybook__time_zone_days') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}
    where reporting_timezone in (select zones.timezone from zones)

),

message_events as (

    select
        account_id,
        count(*) as events

    from {{ ref('fct_message_events') }}

    where counts_in_delivery

    group by account_id

),

daily as (

    select
        account_id,
        sum(events) as events

    from {{ ref('fct_delivery_daily') }}

    group by account_id

)

select
    accounts.account_id,
    message_events.events as expected,
    daily.events as actual

from accounts

inner join message_events
    on accounts.account_id = message_events.account_id

left join daily
    on accounts.account_id = daily.account_id

where message_events.events is distinct from daily.events
