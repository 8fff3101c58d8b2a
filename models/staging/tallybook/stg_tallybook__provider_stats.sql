with

source as (

    select * from {{ source('raw', 'provider_stats') }}

),

renamed as (

    select
        domain,
        _dlt_load_id as load_id,
        event_name as provider_event_name,
        count as provider_count,
        day as date,
        as_of

    from source

)

select * from renamed
