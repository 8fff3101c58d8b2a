{{ config(
    materialized='touched_groups',
    unique_key=['email_id', 'mailbox_domain', 'delivery_status', 'reason'],
    meta={
        'touched_by': 'int_email_outcomes__touched',
        'group_by': ['email_id', 'mailbox_domain'],
    },
) }}

with

recipients as (

    select
        *,
        {{ mailbox_domain('recipient_key') }} as mailbox_domain,
        case delivery_status
            when 'bounced' then coalesce(bounce_class, 'Unclassified')
            when 'rejected' then coalesce(reject_reason, 'other')
            else ''
        end as reason

    from {{ ref('fct_recipient_status') }}

    where {{ is_touched(
        'fct_email_outcomes',
        ref('int_email_outcomes__touched'),
        ['email_id', mailbox_domain('recipient_key')],
        ['email_id', 'mailbox_domain'],
    ) }}

),

counted as (

    select
        email_id,
        account_id,
        mailbox_domain,
        delivery_status,
        reason,
        {{ counts_of_recipients() }}

    from recipients

    group by email_id, account_id, mailbox_domain, delivery_status, reason

)

select * from counted
