{#
    The greatest number in the ledger, as an expression; 0 when there is none.
#}
{% macro last_change_number() -%}
    (
        select coalesce(max(number), 0)
        from (
            select max(change_number) as number from ledger.loads
            union all
            select max(change_number) as number from ledger.builds
            union all
            select max(line) as number from ledger.position_lines
        )
    )
{%- endmacro %}
