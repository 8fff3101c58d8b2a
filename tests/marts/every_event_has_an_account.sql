{#
    Events of a domain that no account, or more than one, sends from, and that
    match no email: they are in no account's daily rows.
#}
{{ config(severity='warn') }}

select
    domain,
    count(*) as events

from {{ ref('fct_message_events') }}

where account_id is null and counts_in_delivery

group by domain
