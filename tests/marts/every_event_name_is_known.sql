{#
    A name that the vocabulary lacks is kept as `unknown` and stays out of all
    counts of delivery: add a row to seeds/event_vocabulary.csv.
#}
{{ config(severity='warn') }}

select
    provider,
    provider_event_name,
    count(*) as events

from {{ ref('fct_message_events') }}

where event_type = 'unknown'

group by provider, provider_event_name
