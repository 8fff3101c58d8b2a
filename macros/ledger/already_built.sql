{#
    What a model downstream holds now, from its last build: where a row *was*
    counted can only be asked of the one that counted it. Read by name and not
    by ref(), since it is the past of a model that is still to be built.

    Before the first build: no rows.
#}
{% macro already_built(model_name, columns) -%}
    {%- set relation = adapter.get_relation(
        database=target.database,
        schema=graph.nodes['model.tallybook.' ~ model_name].schema,
        identifier=model_name
    ) if execute else none -%}
    (
        select {{ columns | join(', ') }}
        {%- if relation %}
        from {{ relation }}
        {%- else %}
        from (select {% for column in columns %}null as {{ column }}{{ ', ' if not loop.last }}{% endfor %})
        where false
        {%- endif %}
    )
{%- endmacro %}
