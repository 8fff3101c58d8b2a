with

source as (

    select * from {{ source('raw', 'app_notifications') }}

),

renamed as (

    select
        notification_id,
        account_id,
        kind,
        deleted_at is not null as is_deleted,
        created_at,
        updated_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
