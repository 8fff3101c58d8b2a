{#
    The rows of a seed as literals: dbt-spark binds values without regard to the
    quotes in them.
#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model.config.column_types -%}
    {%- set lines = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set cells = [] -%}
        {%- for name in agate_table.column_names -%}
            {%- set text = "'" ~ escape_single_quotes(row[name] | string) ~ "'" -%}
            {%- do cells.append(
                'cast(' ~ ('null' if row[name] is none else text) ~ ' as ' ~ types[name] ~ ')'
            ) -%}
        {%- endfor -%}
        {%- do lines.append('(' ~ cells | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- set sql = 'insert into ' ~ this ~ ' values ' ~ lines | join(', ') -%}
    {%- do run_query(sql) -%}
    {{ return(sql) }}
{%- endmacro %}
