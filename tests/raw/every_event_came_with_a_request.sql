{#
    Rows that no request accounts for were written by something other than the
    extractors. That may be meant (a migration), so it only warns.
#}
{{ config(severity='warn') }}

with

events as (

    select * from {{ ref('stg_mailgun__events') }}

),

requests as (

    select * from {{ ref('stg_tallybook__requests') }}

)

select
    events.event_key,
    events.request_id

from events

left join requests
    on events.request_id = requests.request_id

where requests.request_id is null
