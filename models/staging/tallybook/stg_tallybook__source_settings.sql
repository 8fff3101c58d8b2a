with

source as (

    select * from {{ source('raw', 'source_settings') }}

),

renamed as (

    select
        source as source_name,
        name as setting,
        value,
        as_of,
        _dlt_load_id as load_id

    from source

)

select * from renamed
