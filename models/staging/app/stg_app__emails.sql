with

source as (

    select * from {{ source('raw', 'app_emails') }}

),

renamed as (

    select
        email_id,
        account_id,
        notification_id,
        subject,
        newsletter_id,
        track_opens,
        submitted_at,
        deleted_at is not null as is_deleted,
        updated_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
