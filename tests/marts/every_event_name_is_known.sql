{#
    A name that the vocabulary lacks is kept as `unknown` and stays out of all
    counts of delivery: add a row to seeds/event_vocabulary.csv. It may also say
    `unknown` itself, of what has nothing to do with a message.
#}
{{ config(severity='warn') }}

select
    provider,
    provider_event_name,
    count(*) as events

from {{ ref('fct_message_events') }}

where event_type = 'unknown'
    and (provider, provider_event_name) not in (
        select
            vocabulary.provider,
            vocabulary.provider_event_name
        from {{ ref('event_vocabulary') }} as vocabulary
    )

group by provider, provider_event_name
