{#
    The dates from one to another, both included, a row for each: for a column of
    a select.
#}
{% macro each_date(first, last) -%}
    {{ return(adapter.dispatch('each_date', 'tallybook')(first, last)) }}
{%- endmacro %}

{% macro duckdb__each_date(first, last) -%}
    cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date)
{%- endmacro %}

{% macro spark__each_date(first, last) -%}
    explode(sequence({{ first }}, {{ last }}, interval 1 day))
{%- endmacro %}
