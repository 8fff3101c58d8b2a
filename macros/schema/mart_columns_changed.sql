{#
    Whether a mart that is there has other columns than its contract now asks
    for: an older version of the project has built it.
#}
{% macro mart_columns_changed(model_name) -%}
    {%- set node = graph.nodes['model.tallybook.' ~ model_name] -%}
    {%- set there = schema_at_start().marts.get(node.schema ~ '.' ~ model_name) -%}
    {%- set asked = [] -%}
    {%- for column in node.columns.values() -%}
        {%- do asked.append(column.name ~ ' ' ~ column.data_type | upper) -%}
    {%- endfor -%}
    {{ return(there is not none and there != local_md5(asked | join(','))) }}
{%- endmacro %}
