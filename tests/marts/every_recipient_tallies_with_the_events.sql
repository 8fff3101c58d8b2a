{#
    What each email's recipients say, against its events counted one by one,
    without the model's order of time and stages: how many were delivered,
    opened, clicked, failed for good, complained or unsubscribed.

    At most builds only the recipients that were written, or of whom an event was,
    since this test last passed.
#}
{%- set recipients = is_untested(
    ['fct_message_events', 'fct_recipient_status'],
    ['email_id', 'recipient_key'],
) -%}
with

events as (

    select * from {{ ref('fct_message_events') }}
    where unmatched_reason is null
        and {{ recipients }}

),

recounted as (

    select
        email_id,
        count(distinct recipient_key) filter (
            where event_type = 'delivered'
        ) as delivered,
        count(distinct recipient_key) filter (
            where event_type = 'opened'
        ) as opened,
        count(distinct recipient_key) filter (
            where event_type = 'opened' and coalesce(not is_machine, true)
        ) as opened_by_human,
        count(distinct recipient_key) filter (
            where event_type = 'clicked'
        ) as clicked,
        count(distinct recipient_key) filter (
            where event_type = 'complained'
        ) as complained,
        count(distinct recipient_key) filter (
            where event_type = 'unsubscribed'
        ) as unsubscribed,
        count(distinct recipient_key) filter (
            where event_type in ('bounced', 'rejected')
            and severity = 'permanent'
        ) as failed,
        count(distinct recipient_key) filter (
            where event_type = 'bounced' and severity = 'permanent'
        ) as bounced_for_good,
        count(*) filter (where event_type = 'opened') as open_events,
        count(*) filter (where event_type = 'clicked') as click_events,
        count(*) filter (where event_type = 'deferred') as deferrals

    from events

    group by email_id

),

statuses as (

    select
        email_id,
        count(delivered_at) as delivered,
        count(first_opened_at) as opened,
        count(first_human_opened_at) as opened_by_human,
        count(first_clicked_at) as clicked,
        count(complained_at) as complained,
        count(unsubscribed_at) as unsubscribed,
        count(failed_at) as failed,
        count(bounced_at) as bounced_for_good,
        sum(open_events) as open_events,
        sum(click_events) as click_events,
        sum(deferrals) as deferrals

    from {{ ref('fct_recipient_status') }}

    where {{ recipients }}

    group by email_id

)

select
    statuses.email_id,
    recounted.email_id as recounted_email_id

from statuses

full outer join recounted
    on statuses.email_id = recounted.email_id

where statuses.email_id is null
    {%- for count in [
        'delivered', 'opened', 'opened_by_human', 'clicked', 'complained',
        'unsubscribed', 'failed', 'bounced_for_good', 'open_events',
        'click_events', 'deferrals',
    ] %}
    or statuses.{{ count }} <> coalesce(recounted.{{ count }}, 0)
    {%- endfor %}
