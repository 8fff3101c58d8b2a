{#
    A condition that spares an engine the rows which a join would leave out anyhow,
    where it asks a CTE of the same model. Spark writes a CTE out wherever it is named:
    reading the rows costs it less than planning them away.
#}
{% macro only_those(condition) -%}
    {{ return(adapter.dispatch('only_those', 'tallybook')(condition)) }}
{%- endmacro %}

{% macro duckdb__only_those(condition) -%}
    {{ return(condition) }}
{%- endmacro %}

{% macro spark__only_those(condition) -%}
    {{ return('true') }}
{%- endmacro %}
