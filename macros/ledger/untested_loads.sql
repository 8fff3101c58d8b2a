{#
    The loads that came since the test in hand last passed, as a subquery of load_id.
#}
{% macro untested_loads() -%}
    (
        select load_id
        from {{ ref('stg_ledger__loads') }}
        where change_number > {{ tested_through() }}
    )
{%- endmacro %}
