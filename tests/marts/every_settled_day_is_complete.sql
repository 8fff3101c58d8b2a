{#
    Settled days of which the provider counts other events than we have. Only a
    warning here: publishing less than all is better than publishing nothing,
    and `tallybook check` makes an error of what is much.
#}
{{ config(severity='warn') }}

select
    domain,
    date,
    event_name,
    provider_count as expected,
    our_count as actual,
    difference

from {{ ref('ops_completeness') }}

where status in ('warn', 'error')
