{#
    A JSON array, as text, that holds one text; null for null.
#}
{% macro json_array_of(text) -%}
    {{ return(adapter.dispatch('json_array_of', 'tallybook')(text)) }}
{%- endmacro %}

{% macro duckdb__json_array_of(text) -%}
    case when {{ text }} is not null then cast(to_json([{{ text }}]) as varchar) end
{%- endmacro %}

{% macro spark__json_array_of(text) -%}
    case when {{ text }} is not null then to_json(array({{ text }})) end
{%- endmacro %}
