with

source as (

    select * from {{ source('raw', 'app_reporting_events') }}

),

renamed as (

    select
        event_id,
        account_id,
        user_id,
        inbox_id,
        conversation_id,
        name,
        value,
        value_in_business_hours,
        deleted_at is not null as is_deleted,
        created_at,
        updated_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
