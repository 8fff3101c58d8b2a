{#
    A part of a whole, from 0 to 1; null when the whole is nothing.
#}
{% macro share(part, whole) -%}
    cast({{ part }} as double) / nullif({{ whole }}, 0)
{%- endmacro %}
