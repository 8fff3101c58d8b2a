{#
    What the view in hand is made of, as one hash: its SQL, and the columns of
    everything that it reads. Those of sources stay as they are while dbt runs
    and are asked for once; those of models may have changed a moment ago.
#}
{% macro view_made_of(sql) -%}
    {%- set names = [] -%}
    {%- for id in model.depends_on.nodes -%}
        {%- set node = graph.nodes.get(id) or graph.sources[id] -%}
        {%- do names.append(node.schema ~ '.' ~ (node.alias or node.identifier)) -%}
    {%- endfor -%}
    {%- set known = schema_at_start().columns -%}
    {%- set columns = columns_of(names) if names | reject('in', known) | list else known -%}
    {%- set parts = [sql] -%}
    {%- for name in names -%}
        {%- do parts.append(name ~ ' ' ~ columns.get(name)) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join('\n'))) }}
{%- endmacro %}
