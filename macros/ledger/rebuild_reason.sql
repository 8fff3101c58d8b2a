{#
    Why a model must be rebuilt whole, in words; an empty string when only the
    groups that its `…__touched` model lists need it.

    That model has decided (touched_list), after everything upstream was built
    and before anything that reads the decision.
#}
{% macro rebuild_reason(model_name) -%}
    {%- if flags.FULL_REFRESH -%}{{ return('full refresh asked for') }}{%- endif -%}
    {%- if adapter.get_relation(
        database=target.database,
        schema=graph.nodes['model.tallybook.' ~ model_name].schema,
        identifier=model_name
    ) is none -%}
        {{ return(positions().get(model_name, {}).get('rebuild_reason') or 'first build') }}
    {%- endif -%}
    {{ return(positions().get(model_name, {}).get('rebuild_reason', 'first build')) }}
{%- endmacro %}
