{#
    The folder's schema as it is written, without the target's name before it:
    analysts' queries say marts.fct_recipient_status wherever dbt ran.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
