{#
    True when a model computes only the touched groups, false when it computes all:
    the counterpart of dbt's is_incremental(). True while parsing, so that dbt sees
    the refs of both ways.
#}
{% macro touched_only(model_name) -%}
    {{ return(not execute or adapter.dispatch('touched_only', 'tallybook')(model_name)) }}
{%- endmacro %}

{% macro duckdb__touched_only(model_name) -%}
    {{ return(rebuild_reason(model_name) == '') }}
{%- endmacro %}

{% macro spark__touched_only(model_name) -%}
    {#- Files are written again whole; so are tables that don't lie in partitions. -#}
    {{ return(rebuild_reason(model_name) == ''
        and partition_of(graph.nodes['model.tallybook.' ~ model_name]) is not none) }}
{%- endmacro %}
