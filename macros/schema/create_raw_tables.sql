{#
    Creates what dlt hasn't created yet, empty, so that `dbt build` is green
    before the first extract. The columns are those of the sources' YAML, the
    one place that lists them; a test compares them with what dlt makes.
#}
{% macro create_raw_tables() -%}
    {%- if execute %}
    create schema if not exists raw;
    {%- for source in graph.sources.values() if source.schema == 'raw' %}
    create table if not exists raw.{{ source.identifier }} (
        {%- for column in source.columns.values() %}
        {{ column.name }} {{ column.data_type }}{{ ',' if not loop.last }}
        {%- endfor %}
    );
    {%- endfor %}
    {%- endif %}
{%- endmacro %}
