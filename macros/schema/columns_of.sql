{#
    A hash over the names and types of the columns of each relation that is
    there, by its schema and name.
#}
{% macro columns_of(names) -%}
    {%- set found = {} -%}
    {%- for row in run_query(
        "select concat(schema_name, '.', table_name) as name, "
        ~ "md5(string_agg(concat(column_name, ' ', data_type), ',' order by column_index)) "
        ~ "from duckdb_columns() where database_name = current_database() "
        ~ "group by schema_name, table_name having name in ('" ~ names | join("', '") ~ "')"
    ).rows -%}
        {%- do found.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
