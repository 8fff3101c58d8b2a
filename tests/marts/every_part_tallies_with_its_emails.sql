{#
    The outcomes of an email add up to it: whoever was sent it is in one of them. A
    notification has the opens and clicks of its emails, at least as many
    recipients as the biggest of them and at most as many as all.

    At most builds only the emails that were written, or an outcome of them, since
    this test last passed; there are few notifications.
#}
{%- set emails = is_untested(
    ['fct_email_performance', 'fct_email_outcomes'], ['email_id']
) -%}

with

emails as (

    select * from {{ ref('fct_email_performance') }}
    where {{ emails }}

),

outcomes as (

    select
        email_id,
        sum(sent) as sent,
        sum(delivered) as delivered,
        sum(rejected) as rejected,
        sum(failed_permanently) as failed_permanently,
        sum(opened_by_human) as opened_by_human,
        sum(delivered_complained) as delivered_complained,
        sum(click_events) as click_events

    from {{ ref('fct_email_outcomes') }}

    where {{ emails }}

    group by email_id

),

of_notifications as (

    select
        notification_id,
        count(*) as emails,
        max(sent) as most_sent,
        sum(sent) as sent,
        max(delivered) as most_delivered,
        sum(delivered) as delivered,
        sum(open_events) as open_events,
        sum(click_events) as click_events

    from {{ ref('fct_email_performance') }}

    where notification_id is not null

    group by notification_id

),

notifications as (

    select * from {{ ref('fct_notification_performance') }}

)

select
    'email' as part_of,
    emails.email_id as id

from emails

left join outcomes
    on emails.email_id = outcomes.email_id

where emails.sent <> coalesce(outcomes.sent, 0)
    or emails.delivered <> outcomes.delivered
    or emails.rejected <> outcomes.rejected
    or emails.failed_permanently <> outcomes.failed_permanently
    or emails.opened_by_human <> outcomes.opened_by_human
    or emails.delivered_complained <> outcomes.delivered_complained
    or emails.click_events <> outcomes.click_events

union all

select
    'notification' as part_of,
    coalesce(notifications.notification_id, of_notifications.notification_id)
        as id

from notifications

full outer join of_notifications
    on notifications.notification_id = of_notifications.notification_id

where notifications.notification_id is null
    or notifications.emails <> coalesce(of_notifications.emails, 0)
    or notifications.sent < of_notifications.most_sent
    or notifications.sent > of_notifications.sent
    or notifications.delivered < of_notifications.most_delivered
    or notifications.delivered > of_notifications.delivered
    or notifications.open_events <> of_notifications.open_events
    or notifications.click_events <> of_notifications.click_events
