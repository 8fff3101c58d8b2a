with

source as (

    select * from {{ source('raw', '_dlt_loads') }}

),

renamed as (

    select
        load_id,
        schema_name as source_name,
        inserted_at as loaded_at

    from source

    where status = 0

)

select * from renamed
