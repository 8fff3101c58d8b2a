{{ config(
    materialized='touched_groups',
    unique_key=['notification_id'],
    meta={
        'touched_by': 'int_notifications__touched',
    },
) }}

with

notifications as (

    select * from {{ ref('stg_app__notifications') }}

    where {{ is_touched(
        'fct_notification_performance',
        ref('int_notifications__touched'),
        ['notification_id'],
    ) }}

),

emails as (

    select
        notification_id,
        min(account_id) as account_id,
        count(*) as emails,
        min(submitted_at) as first_submitted_at,
        max(submitted_at) as last_submitted_at

    from {{ ref('fct_email_performance') }}

    where notification_id is not null
        and {{ is_touched(
            'fct_notification_performance',
            ref('int_notifications__touched'),
            ['notification_id'],
        ) }}

    group by notification_id

),

counted as (

    select
        notification_id,
        {{ counts_of_recipients('distinct recipient_key') }}

    from {{ ref('fct_recipient_status') }}

    where notification_id is not null
        and {{ is_touched(
            'fct_notification_performance',
            ref('int_notifications__touched'),
            ['notification_id'],
        ) }}

    group by notification_id

),

{# One that only its emails name is there as well. #}
final as (

    select
        coalesce(notifications.notification_id, emails.notification_id)
            as notification_id,
        coalesce(notifications.account_id, emails.account_id) as account_id,
        notifications.kind,
        notifications.created_at,
        emails.first_submitted_at,
        emails.last_submitted_at,
        coalesce(notifications.is_deleted, false) as is_deleted,
        coalesce(emails.emails, 0) as emails,
        {{ counts_with_rates('counted') }}

    from notifications

    full outer join emails
        on notifications.notification_id = emails.notification_id

    left join counted
        on coalesce(notifications.notification_id, emails.notification_id)
        = counted.notification_id

)

select * from final
