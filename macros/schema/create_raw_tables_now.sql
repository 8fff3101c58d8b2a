{#
    The same as an operation, for whoever loads the raw tables by other means:
    dbt run-operation create_raw_tables_now
#}
{% macro create_raw_tables_now() -%}
    {%- do run_query(create_raw_tables()) -%}
{%- endmacro %}
