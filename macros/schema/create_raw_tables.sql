{#
    Creates what dlt hasn't created yet, empty, so that `dbt build` is green
    before the first extract; and adds the columns that tables of an older version
    lack. The columns are those of the sources' YAML, the one place that lists
    them; a test compares them with what dlt makes.
#}
{% macro create_raw_tables() -%}
    {{ return(adapter.dispatch('create_raw_tables', 'tallybook')()) }}
{%- endmacro %}

{% macro duckdb__create_raw_tables() -%}
    {%- if execute %}
    {%- set held = {} %}
    {%- for row in run_query(
        "select table_name, column_name from duckdb_columns() where schema_name = 'raw'"
    ).rows %}
        {%- do held.setdefault(row[0], []).append(row[1]) %}
    {%- endfor %}
    create schema if not exists raw;
    {%- for source in graph.sources.values() if source.schema == 'raw' %}
    {%- if source.identifier not in held %}
    create table raw.{{ source.identifier }} (
        {%- for column in source.columns.values() %}
        {{ column.name }} {{ column.data_type }}{{ ',' if not loop.last }}
        {%- endfor %}
    );
    {%- else %}
    {%- for column in source.columns.values() if column.name not in held[source.identifier] %}
    alter table raw.{{ source.identifier }} add column {{ column.name }} {{ column.data_type }};
    {%- endfor %}
    {%- endif %}
    {%- endfor %}
    {%- endif %}
{%- endmacro %}

{% macro spark__create_raw_tables() -%}
    {#- Parquet files and a definition over them, which is made anew each time. -#}
    {%- if execute %}
    create schema if not exists raw;
    {%- for source in graph.sources.values() if source.schema == 'raw' %}
    drop table if exists raw.{{ source.identifier }};
    create table raw.{{ source.identifier }} (
        {%- for column in source.columns.values() %}
        {{ column.name }} {{ engine_type(column.data_type) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ) using parquet options (recursiveFileLookup 'true') location '{{ lake() }}/raw/{{ source.identifier }}';
    {%- endfor %}
    {%- endif %}
{%- endmacro %}
