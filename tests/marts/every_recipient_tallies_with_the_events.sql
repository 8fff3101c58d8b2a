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

{# One aggregate after the other: eight counts of distinct recipients would keep
   as many lists of all of them. #}
by_recipient as (

    select
        email_id,
        recipient_key,
        count(*) filter (where event_type = 'delivered') as deliveries,
        count(*) filter (where event_type = 'opened') as opens,
        count(*) filter (
            where event_type = 'opened' and coalesce(not is_machine, true)
        ) as opens_by_human,
        count(*) filter (where event_type = 'clicked') as clicks,
        count(*) filter (where event_type = 'complained') as complaints,
        count(*) filter (where event_type = 'unsubscribed') as unsubscribes,
        count(*) filter (
            where event_type in ('bounced', 'rejected')
            and severity = 'permanent'
        ) as failures,
        count(*) filter (
            where event_type = 'bounced' and severity = 'permanent'
        ) as bounces_for_good,
        count(*) filter (where event_type = 'deferred') as deferrals

    from events

    group by email_id, recipient_key

),

recounted as (

    select
        email_id,
        count(*) filter (where deliveries > 0) as delivered,
        count(*) filter (where opens > 0) as opened,
        count(*) filter (where opens_by_human > 0) as opened_by_human,
        count(*) filter (where clicks > 0) as clicked,
        count(*) filter (where complaints > 0) as complained,
        count(*) filter (where unsubscribes > 0) as unsubscribed,
        count(*) filter (where failures > 0) as failed,
        count(*) filter (where bounces_for_good > 0) as bounced_for_good,
        sum(opens) as open_events,
        sum(clicks) as click_events,
        sum(deferrals) as deferrals

    from by_recipient

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
