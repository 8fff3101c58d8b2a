{#
    The engine's name of a data type that our YAML names.
#}
{% macro engine_type(data_type) -%}
    {{ return(adapter.dispatch('engine_type', 'tallybook')(data_type)) }}
{%- endmacro %}

{% macro duckdb__engine_type(data_type) -%}
    {{ return(data_type) }}
{%- endmacro %}

{% macro spark__engine_type(data_type) -%}
    {{ return({
        'varchar': 'string', 'timestamp with time zone': 'timestamp', 'integer': 'int'
    }.get(data_type, data_type)) }}
{%- endmacro %}
