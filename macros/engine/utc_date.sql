{#
    The UTC date of an instant, whatever the session's zone.
#}
{% macro utc_date(instant) -%}
    {{ return(adapter.dispatch('utc_date', 'tallybook')(instant)) }}
{%- endmacro %}

{% macro duckdb__utc_date(instant) -%}
    cast(make_timestamp(epoch_us({{ instant }})) as date)
{%- endmacro %}

{% macro spark__utc_date(instant) -%}
    date_from_unix_date(cast(floor(unix_micros({{ instant }}) / 86400000000) as int))
{%- endmacro %}
