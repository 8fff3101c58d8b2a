{#
    The big mailbox providers ask senders to stay under 0.1 % of complaints, and
    refuse mail from 0.3 % on. Feedback loops report only some, so the true rate is
    higher. Of fewer than 1,000 delivered a single complaint passes 0.1 % and says
    nothing yet. Thirty days up to the account's newest email, since a bad mailing
    of last year is over.
#}
{{ config(severity='warn') }}

with

emails as (

    select
        email_id,
        account_id,
        submitted_at,
        max(submitted_at) over (partition by account_id) as newest_at

    from {{ ref('fct_email_performance') }}

),

domains as (

    select
        emails.account_id,
        outcomes.mailbox_domain,
        sum(outcomes.delivered) as delivered,
        sum(outcomes.delivered_complained) as complained

    from {{ ref('fct_email_outcomes') }} as outcomes

    inner join emails
        on outcomes.email_id = emails.email_id

    where emails.submitted_at > emails.newest_at - interval '30 days'

    group by emails.account_id, outcomes.mailbox_domain

)

select
    *,
    case
        when complained > 0.003 * delivered then 'alarm'
        else 'warning'
    end as urgency

from domains

where delivered >= 1000
    and complained > 0.001 * delivered
