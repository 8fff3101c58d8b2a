{#
    Whether an application's database was ever loaded. Without one, emails
    and recipients are derived from the events.
#}
{% macro has_application() -%}
    {%- set settings = ref('int_settings') -%}
    {%- if not execute -%}{{ return(true) }}{%- endif -%}
    {{ return(run_query(
        "select has_application from " ~ settings
    ).columns[0].values()[0]) }}
{%- endmacro %}
