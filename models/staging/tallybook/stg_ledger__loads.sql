with

source as (

    select * from {{ source('ledger', 'loads') }}

),

renamed as (

    select
        change_number,
        load_id,
        loaded_at

    from source

)

select * from renamed
