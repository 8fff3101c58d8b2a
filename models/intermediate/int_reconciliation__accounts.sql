{{ config(materialized='ephemeral') }}

{# The accounts whose days can be drawn: their zone is the exact name of an IANA
   zone. Of the table of days only the names are used here. #}
with

accounts as (

    select * from {{ ref('stg_app__accounts') }}

),

zones as (

    select distinct timezone from {{ ref('int_local_days') }}

),

placed as (

    select
        accounts.account_id,
        accounts.reporting_timezone

    from accounts

    inner join zones
        on accounts.reporting_timezone = zones.timezone

)

select * from placed
