{#
    The whole numbers from one to another, both included, as something to cross
    join each row with that holds the two.
#}
{% macro each_number(first, last) -%}
    {{ return(adapter.dispatch('each_number', 'tallybook')(first, last)) }}
{%- endmacro %}

{% macro duckdb__each_number(first, last) -%}
    unnest(generate_series({{ first }}, {{ last }}))
{%- endmacro %}

{% macro spark__each_number(first, last) -%}
    lateral explode(sequence({{ first }}, {{ last }}))
{%- endmacro %}
