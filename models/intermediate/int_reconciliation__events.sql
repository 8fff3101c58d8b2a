{{ config(materialized='ephemeral') }}

{# The raw conversation events of the days to be checked, dated by the engine's
   own zone data. A local date lies within 14 hours before and 12 after the same
   date of UTC. #}
{%- set only_touched = touched_only('ops_reconciliation') %}
{%- set zone = "coalesce(accounts.reporting_timezone, 'UTC')" %}

with

events as (

    {%- for first, last in touched_stretches(
        'ops_reconciliation', ref('int_reconciliation_days__touched')
    ) %}

    select * from {{ ref('stg_app__reporting_events') }}

    where created_at is not null
        and {{ in_stretch('created_at', first, last, east='14', west='12') }}

    union all
    {%- endfor %}

    select * from {{ ref('stg_app__reporting_events') }}

    where created_at is null

),

dated as (

    select
        account_id,
        coalesce(created_at, {{ never() }}) as created_at,
        name,
        user_id,
        inbox_id,
        conversation_id,
        value,
        value_in_business_hours

    from events

    where not is_deleted

),

accounts as (

    select * from {{ ref('int_reconciliation__accounts') }}

),

{% if only_touched -%}
days as (

    select
        touched.account_id,
        touched.date,
        {{ engine_midnight('touched.date', zone) }} as about_midnight

    from {{ ref('int_reconciliation_days__touched') }} as touched

    left join accounts
        on touched.account_id = accounts.account_id

),

{% endif -%}
{# The engine's function is slow: it is asked only about the events that may be
   of a day to be checked, and once for each. As an equality the last condition
   would become a key of the join, and be asked about every event. #}
located as (

    select
        coalesce(dated.account_id, '') as account_id,
        {% if only_touched -%}
        days.date,
        {%- else -%}
        {{ engine_local_date('dated.created_at', zone) }} as date,
        {%- endif %}
        dated.name,
        dated.user_id,
        dated.inbox_id,
        dated.conversation_id,
        dated.value,
        dated.value_in_business_hours,
        case
            when accounts.account_id is null then 'without_zone'
            when dated.created_at < accounts.clocks_begin_at then 'without_day'
            when dated.created_at >= accounts.clocks_end_at then 'without_day'
            else 'placed'
        end as placement

    from dated

    left join accounts
        on dated.account_id = accounts.account_id

    {%- if only_touched %}

    inner join days
        on coalesce(dated.account_id, '') = days.account_id
        and dated.created_at >= days.about_midnight - interval '4 hours'
        and dated.created_at < days.about_midnight + interval '30 hours'

    where {{ days_between(
            'days.date', engine_local_date('dated.created_at', zone)
        ) }} = 0
    {%- endif %}

)

select * from located
