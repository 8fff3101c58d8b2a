{#
    Several columns as one value to order by, the first of them first.
#}
{% macro ordering(columns) -%}
    {{ return(adapter.dispatch('ordering', 'tallybook')(columns)) }}
{%- endmacro %}

{% macro duckdb__ordering(columns) -%}
    row({{ columns | join(', ') }})
{%- endmacro %}

{% macro spark__ordering(columns) -%}
    struct({{ columns | join(', ') }})
{%- endmacro %}
