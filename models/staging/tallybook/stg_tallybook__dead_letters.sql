with

source as (

    select * from {{ source('raw', 'dead_letters') }}

),

renamed as (

    select
        dead_letter_key,
        request_id,
        _dlt_load_id as load_id,
        source as source_name,
        reason,
        body,
        position,
        received_at

    from source

)

select * from renamed
