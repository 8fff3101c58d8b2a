{#
    The number of an instant's UTC day, counted from 1970-01-01: a join key
    that doesn't depend on the session's zone, as a cast to date would.
#}
{% macro utc_day(instant) -%}
    {{ return(adapter.dispatch('utc_day', 'tallybook')(instant)) }}
{%- endmacro %}

{% macro duckdb__utc_day(instant) -%}
    cast(epoch_us({{ instant }}) // 86400000000 as integer)
{%- endmacro %}

{% macro spark__utc_day(instant) -%}
    cast(unix_micros({{ instant }}) div 86400000000 as int)
{%- endmacro %}
