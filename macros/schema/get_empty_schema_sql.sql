{#
    The columns of a contract, as a query of no rows that dbt compares a model's
    with; the types of our YAML by the names that Spark gives them.
#}
{% macro spark__get_empty_schema_sql(columns) -%}
    select
        {%- for column in columns.values() %}
        cast(null as {{ engine_type(column.data_type) }}) as {{ column.name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
{%- endmacro %}
