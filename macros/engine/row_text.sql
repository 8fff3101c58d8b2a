{#
    A whole row of a relation as one text; of use only to see whether it changed.
#}
{% macro row_text(alias) -%}
    {{ return(adapter.dispatch('row_text', 'tallybook')(alias)) }}
{%- endmacro %}

{% macro duckdb__row_text(alias) -%}
    cast({{ alias }} as varchar)
{%- endmacro %}

{% macro spark__row_text(alias) -%}
    to_json(struct({{ alias }}.*))
{%- endmacro %}
