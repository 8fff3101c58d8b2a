{#
    True when a model rebuilds only the touched groups, false when it is rebuilt
    whole: the counterpart of dbt's is_incremental(). True while parsing, so
    that dbt sees the refs of both ways.
#}
{% macro touched_only(model_name) -%}
    {{ return(not execute or rebuild_reason(model_name) == '') }}
{%- endmacro %}
