{{ config(materialized='ephemeral') }}

{# A member is seen at most once on a local day: by the first open or click that
   no machine is known to have made. #}
with

accounts as (

    select * from {{ ref('int_accounts') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

members as (

    select
        members.member_id,
        accounts.reporting_timezone

    from {{ ref('int_members') }} as members

    inner join accounts
        on members.account_id = accounts.account_id

),

days as (

    select
        events.member_id,
        local_days.local_date as date,
        min(events.occurred_at) as first_at

    from {{ ref('int_members__events') }} as events

    inner join members
        on events.member_id = members.member_id

    inner join local_days
        on members.reporting_timezone = local_days.timezone
        and {{ utc_day('events.occurred_at') }} = local_days.utc_day
        and events.occurred_at >= local_days.starts_at
        and events.occurred_at < local_days.ends_at

    where events.event_type in ('opened', 'clicked')
        and events.is_machine is not true

    group by events.member_id, local_days.local_date

),

seen as (

    select
        member_id,
        max_by(first_at, date) as last_seen_at

    from days

    group by member_id

)

select * from seen
