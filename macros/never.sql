{#
    The instant that stands for none: an event without created_at is shown at it
    where events that no day holds are counted.
#}
{% macro never() -%}
    {{ instant('1970-01-02 00:00:00+00') }}
{%- endmacro %}
