{#
    The instant that lies this many microseconds after 1970.
#}
{% macro from_epoch_us(microseconds) -%}
    {{ return(adapter.dispatch('from_epoch_us', 'tallybook')(microseconds)) }}
{%- endmacro %}

{% macro duckdb__from_epoch_us(microseconds) -%}
    make_timestamptz({{ microseconds }})
{%- endmacro %}

{% macro spark__from_epoch_us(microseconds) -%}
    timestamp_micros({{ microseconds }})
{%- endmacro %}
