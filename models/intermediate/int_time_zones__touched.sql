{{ config(
    materialized='touched_list',
    meta={
        'touches': 'dim_time_zone_days',
    },
) }}

with

time_zone_days as (

    select * from {{ ref('stg_tallybook__time_zone_days') }}

),

{# A year comes for all zones at once, and so does newer tzdata. #}
touched as (

    select distinct timezone

    from time_zone_days

    where load_id in {{ arrived('dim_time_zone_days') }}

)

select * from touched
