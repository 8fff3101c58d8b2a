{#
    An instant, as a literal: '2026-03-08 10:00:00+00'.
#}
{% macro instant(text) -%}
    {{ return(adapter.dispatch('instant', 'tallybook')(text)) }}
{%- endmacro %}

{% macro duckdb__instant(text) -%}
    timestamptz '{{ text }}'
{%- endmacro %}

{% macro spark__instant(text) -%}
    timestamp '{{ text }}'
{%- endmacro %}
