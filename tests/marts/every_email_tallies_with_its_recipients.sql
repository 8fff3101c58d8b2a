{#
    The counts of each email against its recipients, and no rate above one
    where its numerator is part of its denominator. An email that the application
    hasn't written yet has no row: its recipients are named by
    every_recipient_has_an_email.

    At most builds only the emails that were written, or of which a recipient was,
    since this test last passed.
#}
{%- set emails = is_untested(
    ['fct_email_performance', 'fct_recipient_status'], ['email_id']
) -%}

with

performance as (

    select * from {{ ref('fct_email_performance') }}
    where {{ emails }}

),

recipients as (

    select
        email_id,
        count(*) as sent,
        sum(case when is_delivered then 1 else 0 end) as delivered,
        sum(case when delivery_status = 'rejected' then 1 else 0 end)
            as rejected,
        sum(case when first_opened_at is not null then 1 else 0 end) as opened,
        sum(case when first_clicked_at is not null then 1 else 0 end)
            as clicked

    from {{ ref('fct_recipient_status') }}

    where {{ emails }}

    group by email_id

)

select
    performance.email_id,
    recipients.email_id as recipients_email_id

from performance

left join recipients
    on performance.email_id = recipients.email_id

where performance.sent is distinct from coalesce(recipients.sent, 0)
    or performance.delivered <> recipients.delivered
    or performance.rejected <> recipients.rejected
    or performance.opened <> recipients.opened
    or performance.clicked <> recipients.clicked
    or greatest(
        performance.delivery_rate, performance.open_rate,
        performance.human_open_rate, performance.click_rate,
        performance.complaint_rate, performance.unsubscribe_rate
    ) > 1
