{#
    A setting of an extractor, as it was in force at the last extract; the
    default before the first one.
#}
{% macro source_setting(source_name, setting, default) -%}
    {%- set settings = source('raw', 'source_settings') -%}
    {%- if not execute -%}{{ return(default) }}{%- endif -%}
    {%- set found = run_query(
        "select max(value) from " ~ settings
        ~ " where source = '" ~ source_name ~ "' and name = '" ~ setting ~ "'"
    ).columns[0].values()[0] -%}
    {{ return(default if found is none else found) }}
{%- endmacro %}
