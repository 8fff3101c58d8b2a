{#
    The same as an operation, for whoever loads the raw tables by other means:
    dbt run-operation create_raw_tables_now
#}
{% macro create_raw_tables_now() -%}
    {%- set sql = statements(create_raw_tables()) -%}
    {%- if sql -%}{%- do run_query(sql) -%}{%- endif -%}
{%- endmacro %}
