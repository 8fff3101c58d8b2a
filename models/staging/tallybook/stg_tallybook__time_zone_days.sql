with

source as (

    select * from {{ source('raw', 'time_zone_days') }}

),

renamed as (

    select
        timezone,
        local_date,
        starts_at,
        ends_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
