{#
    An account whose zone is missing or isn't the exact name of an IANA zone
    has no daily rows: never UTC in silence. The zones that were loaded are
    all there are.
#}
{{ config(severity='warn') }}

with

zones as (

    select distinct timezone from {{ ref('stg_tallybook__time_zone_days') }}

),

accounts as (

    select
        account_id,
        reporting_timezone

    from {{ ref('int_accounts') }}

),

{# An email may name an account that the application has no row of. #}
named as (

    select account_id from accounts

    union

    select account_id from {{ ref('fct_message_events') }}

    where account_id is not null and counts_in_delivery

    union

    select account_id from {{ ref('ops_reconciliation') }}

    where status = 'without_zone'

)

select
    named.account_id,
    accounts.reporting_timezone

from named

left join accounts
    on named.account_id = accounts.account_id

left join zones
    on accounts.reporting_timezone = zones.timezone

where zones.timezone is null
    and (select count(*) from {{ ref('stg_tallybook__time_zone_days') }}) > 0
