{{ config(materialized='ephemeral') }}

{# The accounts whose days can be drawn: their zone is the exact name of an IANA
   zone. Of the table of days only the names are used here, and how far it
   reaches: from 2000 until the end of next year, at least. What lies outside
   and has no day is a broken clock. #}
with

accounts as (

    select * from {{ ref('stg_app__accounts') }}

),

zones as (

    select
        timezone,
        least(min(starts_at), {{ instant('2000-01-01 00:00:00+00') }})
            as clocks_begin_at,
        greatest(max(ends_at), current_timestamp + interval '1 year')
            as clocks_end_at

    from {{ ref('int_local_days') }}

    group by timezone

),

placed as (

    select
        accounts.account_id,
        accounts.reporting_timezone,
        zones.clocks_begin_at,
        zones.clocks_end_at

    from accounts

    inner join zones
        on accounts.reporting_timezone = zones.timezone

)

select * from placed
