{#
    What a view is made of, as one hash: its SQL, and the names and types of the
    columns of everything that it reads.
#}
{% macro view_checksum(sql) -%}
    {%- set parents = [] -%}
    {%- for id in model.depends_on.nodes -%}
        {%- set node = graph.nodes.get(id) or graph.sources[id] -%}
        {%- do parents.append("('" ~ node.schema ~ "', '" ~ (node.identifier or node.name) ~ "')") -%}
    {%- endfor -%}
    select md5('{{ local_md5(sql) }}' || coalesce(string_agg(
        concat_ws(' ', schema_name, table_name, column_name, data_type), ','
        order by schema_name, table_name, column_index
    ), ''))
    from duckdb_columns()
    where database_name = current_database()
        and (schema_name, table_name) in ({{ parents | join(', ') }})
{%- endmacro %}
