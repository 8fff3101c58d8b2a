{#
    For each name that pairs of names connect with others, directly or through
    others, the first of all these and of itself: its group's name, as a query of
    the name and first_id.

    pairs: a CTE that holds each pair both ways.
    name, other: its columns.
#}
{% macro first_connected(pairs, name, other) -%}
    {{ return(adapter.dispatch('first_connected', 'tallybook')(pairs, name, other)) }}
{%- endmacro %}

{% macro duckdb__first_connected(pairs, name, other) -%}
    with recursive steps as (
        select
            {{ name }},
            {{ other }}
        from {{ pairs }}

        union

        select
            steps.{{ name }},
            {{ pairs }}.{{ other }}
        from steps
        inner join {{ pairs }}
            on steps.{{ other }} = {{ pairs }}.{{ name }}
    )

    select
        {{ name }},
        min({{ other }}) as first_id
    from steps
    group by {{ name }}
{%- endmacro %}

{% macro spark__first_connected(pairs, name, other) -%}
    {#- Spark's recursion knows no end but emptiness. So each name asks its
        neighbours for the first that they know, as often as the longest chain is
        long; one that is longer raises instead of giving two names to a group. -#}
    {%- set rounds = 16 -%}
    with links as (
        {#- A CTE is written out wherever it is named, unless chance is in it. #}
        select distinct {{ name }}, {{ other }}
        from (
            select {{ name }}, {{ other }} from {{ pairs }}
            union all
            select {{ name }}, {{ name }} as {{ other }} from {{ pairs }}
        )
        where rand() >= 0
    ),
    known_0 as (
        select {{ name }}, {{ name }} as first_id
        from links
        where {{ name }} = {{ other }}
    ),
    {%- for round in range(rounds) %}
    known_{{ round + 1 }} as (
        select
            links.{{ name }},
            min(known.first_id) as first_id,
            min(case when links.{{ other }} = links.{{ name }} then known.first_id end)
                as known_before
        from links
        inner join known_{{ round }} as known
            on links.{{ other }} = known.{{ name }}
        group by links.{{ name }}
    ){{ ',' if not loop.last }}
    {%- endfor %}

    select
        {{ name }},
        case
            when first_id = known_before then first_id
            else raise_error(
                'A chain of more than {{ rounds }} ids of one message: ' || {{ name }}
            )
        end as first_id
    from known_{{ rounds }}
{%- endmacro %}
