{{ config(
    materialized='touched_groups',
    unique_key=['email_id', 'recipient_key'],
    meta={
        'touched_by': 'int_recipients__touched',
        'order_by': ['sent_at', 'email_id'],
        'change_columns': [
            'sent_at', 'account_id', 'member_id', 'notification_id',
        ],
    },
) }}

with

recipients as (

    select *
    from {{ email_recipients(is_touched_recipient(
        'fct_recipient_status', ref('int_recipients__touched')
    )) }}

),

emails as (

    select *
    from {{ emails(is_touched(
        'fct_recipient_status', ref('int_recipients__touched'), ['email_id']
    )) }}

),

events as (

    select * from {{ ref('int_recipients__events') }}

),

{# A permanent failure is final. A rejection counts only while nothing was
   tried. Else the last attempt decides. #}
decided as (

    select
        recipients.*,
        events.*,
        emails.notification_id,
        emails.account_id,
        emails.is_deleted as email_is_deleted,
        least(events.bounced_at, events.rejected_at) as failed_at,
        case
            when events.bounced_at is not null then 'bounced'
            when events.rejected_at is not null
                and events.delivered_at is null
                and not events.was_bounced
                then 'rejected'
            when events.last_stage = 3 then 'delivered'
            when events.last_stage = 2 then 'bounced'
            when events.last_stage = 1 then 'deferred'
            when events.queued_at is not null then 'queued'
            else 'sent'
        end as delivery_status

    from recipients

    left join emails
        on recipients.email_id = emails.email_id

    left join events
        on recipients.email_id = events.event_email_id
        and recipients.recipient_key = events.event_recipient_key

),

final as (

    select
        email_id,
        member_id,
        notification_id,
        account_id,
        provider,
        recipient,
        recipient_key,
        coalesce(message_id, event_message_id) as message_id,
        sent_at,
        queued_at,
        delivered_at,
        first_opened_at,
        first_human_opened_at,
        last_opened_at,
        first_clicked_at,
        last_engaged_at,
        bounced_at,
        failed_at,
        complained_at,
        unsubscribed_at,
        coalesce(open_events, 0) as open_events,
        coalesce(click_events, 0) as click_events,
        coalesce(deferrals, 0) as deferrals,
        delivery_status,
        case
            when complained_at is not null then 'complained'
            when unsubscribed_at is not null then 'unsubscribed'
            when first_clicked_at is not null then 'clicked'
            when first_opened_at is not null then 'opened'
            else 'none'
        end as engagement_status,
        delivery_status not in ('bounced', 'rejected')
        and coalesce(
            delivered_at, first_opened_at, first_clicked_at, complained_at
        ) is not null as is_delivered,
        failure_severity,
        failure_code,
        failure_enhanced_code,
        failure_message,
        failure_event_key,
        reject_reason,
        bounce_class,
        case
            when bounced_at is not null then bounced_at
            when delivery_status = 'rejected' then rejected_at
            when last_stage is not null then last_stage_at
            else coalesce(queued_at, sent_at)
        end as status_changed_at,
        is_deleted or coalesce(email_is_deleted, false) as is_deleted

    from decided

)

select * from final
