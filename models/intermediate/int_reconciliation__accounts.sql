{{ config(materialized='ephemeral') }}

{# The accounts whose days can be drawn: their zone is the exact name of an IANA
   zone. Of the table of days only the names are used here, and how far it
   reaches. #}
with

accounts as (

    select * from {{ ref('stg_app__accounts') }}

),

zones as (

    select
        timezone,
        min(starts_at) as days_begin_at,
        max(ends_at) as days_end_at

    from {{ ref('int_local_days') }}

    group by timezone

),

placed as (

    select
        accounts.account_id,
        accounts.reporting_timezone,
        zones.days_begin_at,
        zones.days_end_at

    from accounts

    inner join zones
        on accounts.reporting_timezone = zones.timezone

)

select * from placed
