{#
    What dbt's generic tests read in place of a model. Of a mart that is built group
    by group it is the rows that were written since the test last passed; a test
    that scans the whole of a large table takes longer than building what is new.
#}
{% macro get_where_subquery(relation) -%}
    {%- set node = graph.nodes['model.tallybook.' ~ relation.identifier] if execute else none -%}
    {%- if not node or node.config.materialized != 'touched_groups'
        or config.get('severity') | lower != 'error'
        or tests_whole([node.name]) -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set keys = node.config.unique_key | join(', ') %}
    (
        select *
        from {{ relation }}
        where ({{ keys }}) in (select {{ keys }} from {{ untested(node.name) }})
    ) as dbt_subquery
{%- endmacro %}
