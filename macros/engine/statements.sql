{#
    Several statements, each ended by a semicolon, for a hook: DuckDB takes them
    in one piece; Spark takes one at a time, so they are sent from here.
#}
{% macro statements(sql) -%}
    {{ return(adapter.dispatch('statements', 'tallybook')(sql)) }}
{%- endmacro %}

{% macro duckdb__statements(sql) -%}
    {{ return(sql) }}
{%- endmacro %}

{% macro spark__statements(sql) -%}
    {%- for statement in sql.split(';') if execute and statement.strip() -%}
        {%- do run_query(statement) -%}
    {%- endfor -%}
    {{ return('') }}
{%- endmacro %}
