{#
    A text without any of the parts that match a pattern.
#}
{% macro remove_matches(text, pattern) -%}
    {{ return(adapter.dispatch('remove_matches', 'tallybook')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__remove_matches(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '', 'g')
{%- endmacro %}

{% macro spark__remove_matches(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '')
{%- endmacro %}
