{#
    The different values of a column, in a subquery's select list, of which an engine
    is to expect few. DuckDB guesses that a CTE is as long as the table it came from,
    and would then read all of a table rather than look for the few in it.
#}
{% macro few(column) -%}
    {{ return(adapter.dispatch('few', 'tallybook')(column)) }}
{%- endmacro %}

{% macro duckdb__few(column) -%}
    unnest(list(distinct {{ column }}))
{%- endmacro %}

{% macro spark__few(column) -%}
    {{ column }}
{%- endmacro %}
