{#
    What no model changes for another, asked once a run and kept in dbt's
    `graph`, as positions() is: the columns of the sources and of the marts, and
    what each view was made of (a view notes only its own).
#}
{% macro schema_at_start() -%}
    {%- set key = 'the schema as seen by ' ~ invocation_id -%}
    {%- if key not in graph -%}
        {%- set sources = [] -%}
        {%- for source in graph.sources.values() -%}
            {%- do sources.append(source.schema ~ '.' ~ source.identifier) -%}
        {%- endfor -%}
        {%- set marts = [] -%}
        {%- for node in graph.nodes.values() if node.config.materialized == 'touched_groups' -%}
            {%- do marts.append(node.schema ~ '.' ~ node.name) -%}
        {%- endfor -%}
        {%- set views = {} -%}
        {%- for row in run_query("select name, made_of from ledger.views").rows -%}
            {%- do views.update({row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- do graph.setdefault(key, {
            'columns': columns_of(sources), 'marts': columns_of(marts), 'views': views
        }) -%}
    {%- endif -%}
    {{ return(graph[key]) }}
{%- endmacro %}
