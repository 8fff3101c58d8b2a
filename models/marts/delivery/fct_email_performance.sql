{{ config(
    materialized='touched_groups',
    unique_key=['email_id'],
    meta={
        'touched_by': 'int_emails__touched',
        'change_columns': ['notification_id'],
    },
) }}

with

emails as (

    select *
    from {{ emails(is_touched(
        'fct_email_performance', ref('int_emails__touched'), ['email_id']
    )) }}

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
        {{ counts_of_recipients() }}

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
        {{ counts_with_rates('counted') }}

    from emails

    left join counted
        on emails.email_id = counted.email_id

)

select * from final
