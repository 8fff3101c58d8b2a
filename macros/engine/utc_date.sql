{#
    An instant's date in UTC, whatever the session's zone.
#}
{% macro utc_date(instant) -%}
    date '1970-01-01' + {{ utc_day(instant) }}
{%- endmacro %}
