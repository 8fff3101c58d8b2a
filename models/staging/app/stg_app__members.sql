with

source as (

    select * from {{ source('raw', 'app_members') }}

),

renamed as (

    select
        member_id,
        account_id,
        email,
        {{ recipient_key('email') }} as recipient_key,
        deleted_at is not null as is_deleted,
        created_at,
        updated_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
