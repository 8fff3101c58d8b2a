{#
    Names that share a group with another name, and the first of all names that they
    are connected with through groups, as a query of the name and first_id.

    relation: a CTE that says which names are of which groups; texts that may be
              empty, which then stand for none.
    name, group: its columns.
#}
{% macro first_connected(relation, name, group) -%}
    {{ return(adapter.dispatch('first_connected', 'tallybook')(relation, name, group)) }}
{%- endmacro %}

{% macro duckdb__first_connected(relation, name, group) -%}
    with recursive firsts as (
        select
            {{ group }},
            min({{ name }}) as first_id
        from {{ relation }}
        where {{ name }} <> '' and {{ group }} <> ''
        group by {{ group }}
    ),

    pairs as (
        select distinct
            {{ relation }}.{{ name }},
            firsts.first_id as other
        from {{ relation }}
        inner join firsts
            on {{ relation }}.{{ group }} = firsts.{{ group }}
        where {{ relation }}.{{ name }} <> ''
            and {{ relation }}.{{ name }} <> firsts.first_id
    ),

    both_ways as (
        select
            {{ name }},
            other
        from pairs

        union all

        select
            other as {{ name }},
            {{ name }} as other
        from pairs
    ),

    reached as (
        select
            {{ name }},
            other
        from both_ways

        union

        select
            reached.{{ name }},
            both_ways.other
        from reached
        inner join both_ways
            on reached.other = both_ways.{{ name }}
    )

    select
        {{ name }},
        min(other) as first_id
    from reached
    group by {{ name }}
{%- endmacro %}

{% macro spark__first_connected(relation, name, group) -%}
    {#- Spark's recursion ends only where nothing comes any more, and here it goes in
        circles. So groups and names tell each other the first that they know, as
        often as the longest chain is long; one that is longer raises instead of
        giving two names to what is one. -#}
    {%- set rounds = 12 -%}
    with known_0 as (
        select
            {{ name }},
            {{ group }},
            min({{ name }}) over (partition by {{ group }}) as first_id
        from (
            select distinct {{ name }}, {{ group }}
            from {{ relation }}
            where {{ name }} <> '' and {{ group }} <> ''
        )
        qualify count(*) over (partition by {{ group }}) > 1
    ),
    {%- for round in range(rounds) %}
    known_{{ round + 1 }} as (
        select
            {{ name }},
            {{ group }},
            min(first_id) over (partition by {{ group }}) as first_id
        from (
            select
                {{ name }},
                {{ group }},
                min(first_id) over (partition by {{ name }}) as first_id
            from known_{{ round }}
        )
    ){{ ',' if not loop.last }}
    {%- endfor %}

    select
        {{ name }},
        case
            when min(first_id) = max(first_id) then min(first_id)
            else raise_error('A chain of more than {{ rounds }} groups of ids: ' || {{ name }})
        end as first_id
    from known_{{ rounds }}
    group by {{ name }}
{%- endmacro %}
