{#
    The number up to which a model has taken everything upstream, as a literal;
    0 before its first build.
#}
{% macro taken_through(model_name) -%}
    {%- if not execute -%}{{ return(0) }}{%- endif -%}
    {{ return(positions().get(model_name, {}).get('taken_through', 0)) }}
{%- endmacro %}
