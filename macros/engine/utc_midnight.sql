{#
    The first instant of a UTC date.
#}
{% macro utc_midnight(day) -%}
    {{ return(adapter.dispatch('utc_midnight', 'tallybook')(day)) }}
{%- endmacro %}

{% macro duckdb__utc_midnight(day) -%}
    make_timestamptz(({{ day }} - date '1970-01-01') * 86400000000)
{%- endmacro %}

{% macro spark__utc_midnight(day) -%}
    timestamp_micros(unix_date({{ day }}) * 86400000000)
{%- endmacro %}
