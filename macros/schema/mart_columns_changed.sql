{#
    Whether a mart that is there has other columns than its contract now asks
    for: an older version of the project has built it.
#}
{% macro mart_columns_changed(model_name) -%}
    {{ return(adapter.dispatch('mart_columns_changed', 'tallybook')(model_name)) }}
{%- endmacro %}

{% macro duckdb__mart_columns_changed(model_name) -%}
    {%- set node = graph.nodes['model.tallybook.' ~ model_name] -%}
    {%- set there = schema_at_start().marts.get(node.schema ~ '.' ~ model_name) -%}
    {%- set asked = [] -%}
    {%- for column in node.columns.values() -%}
        {%- do asked.append(column.name ~ ' ' ~ column.data_type | upper) -%}
    {%- endfor -%}
    {{ return(there is not none and there != local_md5(asked | join(','))) }}
{%- endmacro %}

{% macro spark__mart_columns_changed(model_name) -%}
    {%- set node = graph.nodes['model.tallybook.' ~ model_name] -%}
    {%- set relation = adapter.get_relation(
        database=target.database, schema=node.schema, identifier=model_name
    ) -%}
    {%- set partition = partition_of(node) -%}
    {%- set asked, there = [], [] -%}
    {%- for column in node.columns.values() -%}
        {%- do asked.append(column.name ~ ' ' ~ engine_type(column.data_type)) -%}
    {%- endfor -%}
    {%- if partition and partition.name not in node.columns -%}
        {%- do asked.append(partition.name ~ ' date') -%}
    {%- endif -%}
    {%- for column in adapter.get_columns_in_relation(relation) if relation -%}
        {%- do there.append(column.name ~ ' ' ~ column.dtype) -%}
    {%- endfor -%}
    {{ return(there != [] and there | sort != asked | sort) }}
{%- endmacro %}
