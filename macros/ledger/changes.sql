{#
    The rows of a model that were removed, changed (before and after) or added
    since another model last took from it, as a subquery of its change columns.
#}
{% macro changes(model_name, taken_by) -%}
    {%- set through = taken_through(taken_by) -%}
    (
        select *
        from ledger.{{ model_name }}__changes
        where change_number > {{ through }} and {{ through }} > 0
    )
{%- endmacro %}
