{#
    About the instant at which a local date begins, by the engine's own zone
    data: an hour or two off where midnight is missing or comes twice. Only to
    read no more than needed; which date an instant has, engine_local_date says.
#}
{% macro engine_midnight(date, timezone) -%}
    {{ return(adapter.dispatch('engine_midnight', 'tallybook')(date, timezone)) }}
{%- endmacro %}

{% macro duckdb__engine_midnight(date, timezone) -%}
    cast({{ date }} as timestamp) at time zone {{ timezone }}
{%- endmacro %}

{% macro spark__engine_midnight(date, timezone) -%}
    to_utc_timestamp(cast({{ date }} as timestamp), {{ timezone }})
{%- endmacro %}
