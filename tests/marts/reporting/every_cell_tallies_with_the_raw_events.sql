{#
    No rollup says anything else than the raw events do, counted once more by
    another route (ops_reconciliation). Each row is one cell that does: the raw
    rows behind it are those of its account and date.
#}
select * from {{ ref('ops_reconciliation') }}

where status in ('differs', 'missing', 'extra')
