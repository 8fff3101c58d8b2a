{#
    The touched days of a model as stretches (stretches_of); one pair of nulls for
    everything.
#}
{% macro touched_stretches(model_name, touched) -%}
    {%- if not execute or not touched_only(model_name) -%}
        {{ return([(none, none)]) }}
    {%- endif -%}
    {{ return(stretches_of(touched)) }}
{%- endmacro %}
