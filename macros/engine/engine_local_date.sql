{#
    The local date of an instant by the engine's own zone data: the second
    opinion of the reconciliation, and nowhere else (DESIGN.md: it is slower, and
    older in some zones than the tzdata that days are made of).
#}
{% macro engine_local_date(instant, timezone) -%}
    {{ return(adapter.dispatch('engine_local_date', 'tallybook')(instant, timezone)) }}
{%- endmacro %}

{% macro duckdb__engine_local_date(instant, timezone) -%}
    cast({{ instant }} at time zone {{ timezone }} as date)
{%- endmacro %}

{% macro spark__engine_local_date(instant, timezone) -%}
    cast(from_utc_timestamp({{ instant }}, {{ timezone }}) as date)
{%- endmacro %}
