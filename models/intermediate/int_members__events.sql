{{ config(materialized='ephemeral') }}

{# The events that decide when a touched member was last seen and whether mail
   to the present address keeps failing. Only of the mail that decides it are
   they read again: a local day lies within two days of any of its instants. #}
with

members as (

    select * from {{ ref('int_members') }}

),

recipients as (

    select
        recipients.*,
        coalesce(
            recipients.account_id = members.account_id
            and recipients.recipient_key = members.recipient_key,
            false
        ) as is_present

    from {{ ref('int_members__recipients') }} as recipients

    inner join members
        on recipients.member_id = members.member_id

),

newest as (

    select
        member_id,
        max(last_engaged_at) as engaged_at,
        max(status_changed_at) filter (
            where is_present and delivery_status = 'delivered'
        ) as delivered_at

    from recipients

    group by member_id

),

{# What was delivered in the end tells of no failure after that. #}
deciding as (

    select
        recipients.member_id,
        recipients.email_id,
        recipients.recipient_key,
        recipients.is_present
        and (
            recipients.delivery_status in ('deferred', 'bounced')
            or (
                recipients.delivery_status = 'rejected'
                and recipients.deferrals > 0
            )
        ) as may_fail,
        recipients.last_engaged_at
        >= newest.engaged_at - interval '2 days' as was_seen,
        newest.delivered_at

    from recipients

    inner join newest
        on recipients.member_id = newest.member_id

),

events as (

    select
        deciding.member_id,
        deciding.may_fail,
        deciding.delivered_at,
        events.event_type,
        events.severity,
        events.is_machine,
        events.occurred_at

    from {{ ref('fct_message_events') }} as events

    inner join deciding
        on events.email_id = deciding.email_id
        and events.recipient_key = deciding.recipient_key

    where (deciding.may_fail or deciding.was_seen)
        and events.event_type in (
            'opened', 'clicked', 'deferred', 'bounced', 'delivered'
        )

)

select * from events
