{{ config(materialized='table') }}

with

accounts as (

    select * from {{ ref('int_accounts') }}

),

time_zone_days as (

    select * from {{ ref('stg_tallybook__time_zone_days') }}

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

zones_in_use as (

    select
        time_zone_days.*,
        {{ utc_day('time_zone_days.starts_at') }} as first_utc_day,
        {{ utc_day("time_zone_days.ends_at - interval '1 microsecond'") }}
            as last_utc_day

    from time_zone_days

    inner join loads
        on time_zone_days.load_id = loads.load_id

    where time_zone_days.timezone in (
            select accounts.reporting_timezone from accounts
        )

),

{# A local day lies in one, two or, when it has 25 hours, three days of UTC:
   one row for each, so that an instant finds its date by equality. #}
local_days as (

    select
        zones_in_use.timezone,
        utc_days.utc_day,
        zones_in_use.local_date,
        zones_in_use.starts_at,
        zones_in_use.ends_at,
        zones_in_use.load_id

    from zones_in_use

    cross join {{ each_number(
        'zones_in_use.first_utc_day', 'zones_in_use.last_utc_day'
    ) }} as utc_days (utc_day)

)

select * from local_days
