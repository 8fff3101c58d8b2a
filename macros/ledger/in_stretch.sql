{#
    The condition that an instant may be of a date in a stretch of days
    (touched_stretches), in zones from `east` to `west` hours off UTC.
#}
{% macro in_stretch(column, first, last, east='00', west='00') -%}
    {%- if first is none -%}
    true
    {%- else -%}
    {{ column }} between {{ instant(first ~ ' 00:00:00+' ~ east) }}
        and {{ instant(last ~ ' 23:59:59.999999-' ~ west) }}
    {%- endif -%}
{%- endmacro %}
