with

source as (

    select * from {{ source('raw', 'app_email_recipients') }}

),

renamed as (

    select
        email_id,
        member_id,
        member_email as recipient,
        {{ recipient_key('member_email') }} as recipient_key,
        {{ message_id('message_id') }} as message_id,
        sent_at,
        deleted_at is not null as is_deleted,
        updated_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
