{#
    The touched days of a model as stretches of consecutive days, for literals:
    an engine skips what lies outside one range, but not outside of several. So
    a statement reads each stretch on its own, and all in one when they are many.

    Returns pairs of dates, first and last; one pair of nulls for everything.
#}
{% macro touched_stretches(model_name, touched, most=40) -%}
    {%- if not execute or not touched_only(model_name) -%}
        {{ return([(none, none)]) }}
    {%- endif -%}
    {%- set found = run_query("
        select min(date), max(date)
        from (
            select date, date - cast(row_number() over (order by date) as integer) as stretch
            from (select distinct date from " ~ touched ~ ")
        )
        group by stretch
        order by 1
    ").rows -%}
    {%- if not found -%}{{ return([('0001-01-01', '0001-01-01')]) }}{%- endif -%}
    {%- if found | length > most -%}
        {{ return([(found[0][0], found[-1][1])]) }}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
