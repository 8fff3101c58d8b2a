{#
    One event in twenty without a known recipient says that the application
    writes its rows late or not at all, or that someone else sends from the
    domain. Fewer are normal: mail often leaves before its row is written.
#}
{{ config(severity='warn') }}

with

counted as (

    select
        (select count(*) from {{ ref('fct_unmatched_events') }}) as unmatched,
        (select count(*) from {{ ref('fct_message_events') }}) as events

)

select * from counted
where unmatched > 0.05 * events
