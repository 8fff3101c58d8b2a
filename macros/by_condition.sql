{#
    A column of the vocabulary's row for an event: the row for its reason
    decides, whole, before the one for its severity, and that before the one
    for the bare name.
#}
{% macro by_condition(column) -%}
    case
        when by_reason.met_by is not null then by_reason.{{ column }}
        when by_severity.met_by is not null then by_severity.{{ column }}
        else by_name.{{ column }}
    end
{%- endmacro %}
