{#
    The rows of a model that were removed, changed or added since the test in hand
    last passed, as a subquery of its change columns. Of no use when tests_whole().
#}
{% macro untested(model_name) -%}
    (
        select *
        from ledger.{{ model_name }}__changes
        where change_number > {{ tested_through() }}
    )
{%- endmacro %}
