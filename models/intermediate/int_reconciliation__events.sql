{{ config(materialized='ephemeral') }}

{# The raw conversation events of the days to be checked, dated by the engine's
   own zone data. A local date lies within 14 hours before and 12 after the same
   date of UTC. #}
with

events as (

    {%- for first, last in touched_stretches(
        'ops_reconciliation', ref('int_reconciliation_days__touched')
    ) %}

    select * from {{ ref('stg_app__reporting_events') }}

    where not is_deleted
    {%- if first is not none %}
        and created_at >= timestamptz '{{ first }} 00:00:00+14'
        and created_at <= timestamptz '{{ last }} 23:59:59.999999-12'
    {%- endif %}
    {{- '\n\n    union' if not loop.last }}
    {%- endfor %}

),

accounts as (

    select * from {{ ref('int_reconciliation__accounts') }}

),

located as (

    select
        coalesce(events.account_id, '') as account_id,
        {{ engine_local_date(
            'events.created_at',
            "coalesce(accounts.reporting_timezone, 'UTC')",
        ) }} as date,
        events.event_id,
        events.name,
        events.user_id,
        events.inbox_id,
        events.conversation_id,
        events.value,
        events.value_in_business_hours,
        accounts.account_id is not null as has_zone

    from events

    left join accounts
        on events.account_id = accounts.account_id

),

to_be_checked as (

    select * from located

    where {{ is_touched(
        'ops_reconciliation',
        ref('int_reconciliation_days__touched'),
        ['account_id', 'date'],
    ) }}

)

select * from to_be_checked
