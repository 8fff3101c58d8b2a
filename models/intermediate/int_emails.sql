with

application as (

    select * from {{ ref('stg_app__emails') }}

),

derived_recipients as (

    select * from {{ ref('int_email_recipients__derived') }}

),

derived as (

    select
        email_id,
        min(account_id) as account_id,
        min(subject) as subject,
        min(sent_at) as submitted_at

    from derived_recipients

    group by email_id

),

unioned as (

    select
        email_id,
        account_id,
        notification_id,
        subject,
        newsletter_id,
        track_opens,
        submitted_at,
        is_deleted

    from application

    union all

    select
        email_id,
        account_id,
        cast(null as varchar) as notification_id,
        subject,
        cast(null as varchar) as newsletter_id,
        cast(null as boolean) as track_opens,
        submitted_at,
        false as is_deleted

    from derived

)

select * from unioned
