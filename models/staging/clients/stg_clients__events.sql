{%- set fields = {
    'account': '$.properties."'
        ~ source_setting('inbox', 'account_property', 'account_id') ~ '"',
    'dropped': '$.dropped',
} -%}

with

source as (

    select
        *,
        {{ json_values('payload', fields) }}

    from {{ source('raw', 'client_events') }}

),

renamed as (

    select
        ---------- ids
        event_key,
        {{ json_field(fields, 'account') }} as given_account_id,
        request_id,
        _dlt_load_id as load_id,

        ---------- strings
        event_name,
        via,
        payload,

        ---------- numerics
        position,
        coalesce(try_cast({{ json_field(fields, 'dropped') }} as bigint), 0)
            as properties_dropped,

        ---------- timestamps
        occurred_at,
        received_at

    from source

)

select * from renamed
