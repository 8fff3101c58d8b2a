{#
    The dates of a relation as stretches of days that lie close together, for
    literals: an engine skips what lies outside one range, but not outside of
    several. So a statement reads each stretch on its own, and all as one when
    they are many.

    Stretches are at least three days apart, so that the instants of one, in
    whatever zone, are none of another.

    Returns pairs of dates, first and last; one pair of impossible dates for none.
#}
{% macro stretches_of(relation, most=40) -%}
    {%- set found = run_query("
        with
        days as (
            select
                date,
                " ~ days_between("lag(date) over (order by date)", "date") ~ " as gap
            from (select distinct date from " ~ relation ~ ")
        ),
        stretches as (
            select
                date,
                count(*) filter (where gap > 2) over (order by date) as stretch
            from days
        )
        select min(date), max(date)
        from stretches
        group by stretch
        order by 1
    ").rows -%}
    {%- if not found -%}{{ return([('0001-01-01', '0001-01-01')]) }}{%- endif -%}
    {%- if found | length > most -%}
        {{ return([(found[0][0], found[-1][1])]) }}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
