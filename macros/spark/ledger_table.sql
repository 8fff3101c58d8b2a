{#
    A statement that creates a table of the ledger if it isn't there.

    columns: names and their types, in the order of the table.
#}
{% macro ledger_table(name, columns) -%}
    create table if not exists ledger.{{ name }} (
        {%- for column, data_type in columns.items() %}
        {{ column }} {{ engine_type(data_type) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ) using parquet;
{%- endmacro %}
