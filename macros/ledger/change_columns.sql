{#
    What the ledger keeps of a changed row of a model: its grain, and what the
    models downstream need to find the groups that it belonged to.
#}
{% macro change_columns(node) -%}
    {%- set columns = [] -%}
    {%- for column in node.config.unique_key + node.config.meta.get('change_columns', []) -%}
        {%- if column not in columns -%}{%- do columns.append(column) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
