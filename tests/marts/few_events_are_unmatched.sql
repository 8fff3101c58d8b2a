{#
    One event of a provider's in twenty without a known recipient says that the
    application writes its rows late or not at all, that its ids are looked for
    in the wrong place, or that someone else sends from the domain. Without an
    application the events that say that mail was sent don't reach the door, or
    began later than it. Fewer are normal: mail often leaves before its row is
    written.
#}
{{ config(severity='warn') }}

with

unmatched as (

    select
        provider,
        count(*) as unmatched

    from {{ ref('fct_unmatched_events') }}

    group by provider

),

all_events as (

    select
        provider,
        count(*) as events

    from {{ ref('fct_message_events') }}

    group by provider

)

select
    unmatched.provider,
    unmatched.unmatched,
    all_events.events

from unmatched

inner join all_events
    on unmatched.provider = all_events.provider

where unmatched.unmatched > 0.05 * all_events.events
