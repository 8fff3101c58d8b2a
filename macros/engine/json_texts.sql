{#
    The texts of a JSON array, a row for each: for a column of a select.
#}
{% macro json_texts(column) -%}
    {{ return(adapter.dispatch('json_texts', 'tallybook')(column)) }}
{%- endmacro %}

{% macro duckdb__json_texts(column) -%}
    unnest(from_json({{ column }}, '["VARCHAR"]'))
{%- endmacro %}

{% macro spark__json_texts(column) -%}
    explode(from_json({{ column }}, 'array<string>'))
{%- endmacro %}
