{{ config(
    materialized='touched_groups',
    unique_key=['timezone', 'starts_at'],
    meta={
        'touched_by': 'int_time_zones__touched',
        'group_by': ['timezone'],
    },
) }}

with

time_zone_days as (

    select * from {{ ref('stg_tallybook__time_zone_days') }}

    where {{ is_touched(
        'dim_time_zone_days', ref('int_time_zones__touched'), ['timezone']
    ) }}

),

days as (

    select
        timezone,
        local_date as date,
        starts_at,
        ends_at,
        ({{ epoch_us('ends_at') }} - {{ epoch_us('starts_at') }})
        / cast(3600000000 as double) as hours

    from time_zone_days

)

select * from days
