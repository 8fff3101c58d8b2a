{#
    How many days after one date another one is.
#}
{% macro days_between(first, last) -%}
    {{ return(adapter.dispatch('days_between', 'tallybook')(first, last)) }}
{%- endmacro %}

{% macro duckdb__days_between(first, last) -%}
    {{ last }} - {{ first }}
{%- endmacro %}

{% macro spark__days_between(first, last) -%}
    date_diff({{ last }}, {{ first }})
{%- endmacro %}
