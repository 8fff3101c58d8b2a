with

source as (

    select * from {{ source('raw', 'app_accounts') }}

),

renamed as (

    select
        account_id,
        name,
        reporting_timezone,
        week_start,
        lower(trim(sending_domain)) as sending_domain,
        deleted_at is not null as is_deleted,
        updated_at,
        _dlt_load_id as load_id

    from source

)

select * from renamed
