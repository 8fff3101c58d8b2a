{#
    Several columns as one value, whose fields have their names.
#}
{% macro record(columns) -%}
    {{ return(adapter.dispatch('record', 'tallybook')(columns)) }}
{%- endmacro %}

{% macro duckdb__record(columns) -%}
    struct_pack(
        {%- for column in columns %}{{ column }} := {{ column }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{%- endmacro %}

{% macro spark__record(columns) -%}
    struct({{ columns | join(', ') }})
{%- endmacro %}
