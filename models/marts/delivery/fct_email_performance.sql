{{ config(
    materialized='touched_groups',
    unique_key=['email_id'],
    meta={
        'touched_by': 'int_emails__touched',
    },
) }}

with

emails as (

    select * from {{ ref('int_emails') }}

    where {{ is_touched(
        'fct_email_performance', ref('int_emails__touched'), ['email_id']
    ) }}

),

recipients as (

    select * from {{ ref('fct_recipient_status') }}

    where {{ is_touched(
        'fct_email_performance', ref('int_emails__touched'), ['email_id']
    ) }}

),

counted as (

    select
        email_id,
        count(*) as sent,
        count(*) filter (where delivery_status <> 'rejected') as attempted,
        count(*) filter (where is_delivered) as delivered,
        count(delivered_at) as delivered_reported,
        count(*) filter (where delivery_status = 'rejected') as rejected,
        count(*) filter (
            where delivery_status = 'bounced'
            and failure_severity = 'permanent'
        ) as failed_permanently,
        count(*) filter (
            where delivery_status in ('bounced', 'deferred')
            and failure_severity = 'temporary'
            and not is_delivered
        ) as failed_temporarily,
        count(first_opened_at) as opened,
        count(first_human_opened_at) as opened_by_human,
        count(first_clicked_at) as clicked,
        count(complained_at) as complained,
        count(unsubscribed_at) as unsubscribed,
        count(first_opened_at) filter (where is_delivered)
            as delivered_opened,
        count(first_human_opened_at) filter (where is_delivered)
            as delivered_opened_by_human,
        count(first_clicked_at) filter (where is_delivered)
            as delivered_clicked,
        count(complained_at) filter (where is_delivered)
            as delivered_complained,
        count(unsubscribed_at) filter (where is_delivered)
            as delivered_unsubscribed,
        sum(open_events) as open_events,
        sum(click_events) as click_events

    from recipients

    group by email_id

),

final as (

    select
        emails.email_id,
        emails.account_id,
        emails.notification_id,
        emails.newsletter_id,
        emails.subject,
        emails.submitted_at,
        emails.track_opens,
        emails.is_deleted,
        {%- for count in [
            'sent', 'attempted', 'delivered', 'delivered_reported', 'rejected',
            'failed_permanently', 'failed_temporarily', 'opened',
            'opened_by_human', 'clicked', 'complained', 'unsubscribed',
            'delivered_opened', 'delivered_opened_by_human',
            'delivered_clicked', 'delivered_complained',
            'delivered_unsubscribed', 'open_events', 'click_events',
        ] %}
        cast(coalesce(counted.{{ count }}, 0) as bigint) as {{ count }},
        {%- endfor %}
        {{ share('delivered', 'attempted') }} as delivery_rate,
        {{ share('delivered_opened', 'delivered') }} as open_rate,
        {{ share('delivered_opened_by_human', 'delivered') }}
            as human_open_rate,
        {{ share('delivered_clicked', 'delivered') }} as click_rate,
        {{ share('delivered_clicked', 'delivered_opened') }}
            as click_to_open_rate,
        {{ share('delivered_complained', 'delivered') }} as complaint_rate,
        {{ share('delivered_unsubscribed', 'delivered') }}
            as unsubscribe_rate

    from emails

    left join counted
        on emails.email_id = counted.email_id

)

select * from final
