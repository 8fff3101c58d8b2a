with

source as (

    select * from {{ source('raw', 'lane_runs') }}

),

renamed as (

    select
        ---------- ids
        run_id,
        _dlt_load_id as load_id,

        ---------- strings
        source as source_name,
        coalesce(domain, '') as domain,
        lane,
        outcome,
        message,

        ---------- numerics
        events,
        delivered,
        opened,
        temporary_failures,
        permanent_failures,
        unsubscribed,
        complained,
        unhandled,
        repeats,
        dead,
        late,
        late_in_last_tenth,
        lateness_p50,
        lateness_p99,
        lateness_max,

        ---------- timestamps
        began_at,
        ended_at,
        window_begin,
        window_end,
        cursor

    from source

)

select * from renamed
