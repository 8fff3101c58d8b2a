{#
    Microseconds since 1970 of an instant, as a bigint.
#}
{% macro epoch_us(instant) -%}
    {{ return(adapter.dispatch('epoch_us', 'tallybook')(instant)) }}
{%- endmacro %}

{% macro duckdb__epoch_us(instant) -%}
    epoch_us({{ instant }})
{%- endmacro %}

{% macro spark__epoch_us(instant) -%}
    unix_micros({{ instant }})
{%- endmacro %}
