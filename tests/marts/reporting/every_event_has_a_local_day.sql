{#
    Conversation events before 2000 or more than a year ahead: a broken clock of
    the application. No local day holds them until their created_at is mended.
#}
{{ config(severity='warn') }}

select
    account_id,
    sum(expected) as events

from {{ ref('ops_reconciliation') }}

where status = 'without_day'

group by account_id
