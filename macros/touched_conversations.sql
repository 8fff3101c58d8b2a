{#
    The conversations of a day that a mart of conversations must count again:
    those of changed events, and all of days that somebody asked for.
#}
{% macro touched_conversations(mart) -%}
with

changed_events as (

    select *
    from {{ changes('fct_reporting_events', mart) }}

),

asked_for as (

    select * from {{ requested_days(mart) }}

),

of_asked_days as (

    select
        account_id,
        date,
        conversation_id
    from {{ ref('fct_reporting_events') }}
    where (account_id, date) in (
            select
                asked_for.account_id,
                asked_for.date
            from asked_for
        )

    union

    select
        account_id,
        date,
        conversation_id
    from {{ already_built(
        mart, ['account_id', 'date', 'conversation_id']
    ) }}
    where (account_id, date) in (
            select
                asked_for.account_id,
                asked_for.date
            from asked_for
        )

),

touched as (

    select
        account_id,
        date,
        conversation_id
    from changed_events

    union

    select * from of_asked_days

)

select * from touched

where conversation_id is not null
{%- endmacro %}
