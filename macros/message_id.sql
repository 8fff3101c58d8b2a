{#
    An RFC Message-ID as it is compared: without angle brackets, case kept;
    null when nothing is left.
#}
{% macro message_id(column) -%}
    nullif(trim(both '<>' from trim({{ column }})), '')
{%- endmacro %}
