with

source as (

    select * from {{ source('raw', 'app_email_batches') }}

),

renamed as (

    select
        {{ message_id('provider_message_id') }} as message_id,
        email_id,
        deleted_at is not null as is_deleted,
        updated_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
