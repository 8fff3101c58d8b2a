{#
    Rows that no request accounts for were written by something other than the
    extractors. That may be meant (a migration), so it only warns.

    At most builds only the loads that came since this test last passed.
#}
{{ config(severity='warn') }}

-- depends_on: {{ ref('stg_ledger__loads') }}

{%- set loads = 'true' if tests_whole([])
    else 'load_id in ' ~ untested_loads() %}

with

events as (

    select * from {{ ref('int_message_events__unioned') }}
    where {{ loads }}

),

requests as (

    select * from {{ ref('stg_tallybook__requests') }}
    where {{ loads }}

)

select
    events.event_key,
    events.request_id

from events

left join requests
    on events.load_id = requests.load_id
    and events.request_id = requests.request_id

where requests.request_id is null
