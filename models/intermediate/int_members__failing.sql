{{ config(materialized='ephemeral') }}

{# How often mail to a member's present address has failed for now, in a row:
   since mail was last delivered or failed for good. Within one instant these
   are the later stages of life. #}
with

events as (

    select
        member_id,
        occurred_at,
        event_type in ('deferred', 'bounced')
        and severity = 'temporary' as is_temporary_failure,
        max(case
            when event_type = 'delivered' or severity = 'permanent'
                then greatest(occurred_at, delivered_at)
            else delivered_at
        end) over (partition by member_id) as settled_at

    from {{ ref('int_members__events') }}

    where may_fail

),

failing as (

    select
        member_id,
        count(*) as temporary_failures

    from events

    where is_temporary_failure
        and (settled_at is null or occurred_at > settled_at)

    group by member_id

)

select * from failing
