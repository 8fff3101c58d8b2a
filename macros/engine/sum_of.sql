{#
    A sum of doubles that hardly depends on the order of the rows: days that are
    counted again in another order must come out the same.
#}
{% macro sum_of(column) -%}
    {{ return(adapter.dispatch('sum_of', 'tallybook')(column)) }}
{%- endmacro %}

{% macro duckdb__sum_of(column) -%}
    fsum({{ column }})
{%- endmacro %}
