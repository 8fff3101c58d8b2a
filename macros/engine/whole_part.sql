{#
    How many times a whole number holds another one, which is positive; rounded
    towards zero.
#}
{% macro whole_part(number, divisor) -%}
    {{ return(adapter.dispatch('whole_part', 'tallybook')(number, divisor)) }}
{%- endmacro %}

{% macro duckdb__whole_part(number, divisor) -%}
    {{ number }} // {{ divisor }}
{%- endmacro %}

{% macro spark__whole_part(number, divisor) -%}
    {{ number }} div {{ divisor }}
{%- endmacro %}
