{#
    Sources that were not heard of for longer than their limit allows, and why
    that limit. Only a warning here, whatever the age: what did come is right
    and is published. `tallybook check` makes an error of it.
#}
{{ config(severity='warn') }}

select
    source_name,
    domain,
    fresh_at,
    age_seconds,
    status,
    reason

from {{ ref('ops_freshness') }}

where status <> 'fresh'
