with

source as (

    select * from {{ source('raw', 'requests') }}

),

renamed as (

    select
        request_id,
        _dlt_load_id as load_id,
        source as source_name,
        lane,
        events,
        loaded,
        repeated,
        dead,
        received_at

    from source

)

select * from renamed
