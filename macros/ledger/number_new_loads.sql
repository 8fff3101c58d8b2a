{#
    Gives each load that has committed since the last build its number. The
    order of numbers is the order in which builds saw the loads: no clock, so
    nothing is skipped when one is set back. dlt may log a load twice when it
    was killed while committing; the number is given once.
#}
{% macro number_new_loads() -%}
    {{ return(adapter.dispatch('number_new_loads', 'tallybook')()) }}
{%- endmacro %}

{% macro duckdb__number_new_loads() -%}
    insert into ledger.loads
    select
        nextval('ledger.change_numbers'),
        load_id,
        loaded_at
    from {{ _loads_without_number() }}
{%- endmacro %}

{% macro spark__number_new_loads() -%}
    insert into ledger.loads
    select
        {{ last_change_number() }} + row_number() over (order by loaded_at, load_id),
        load_id,
        loaded_at
    from {{ _loads_without_number() }}
{%- endmacro %}

{% macro _loads_without_number() -%}
    (
        select
            load_id,
            min(inserted_at) as loaded_at
        from raw._dlt_loads
        where status = 0
            and load_id not in (select load_id from ledger.loads)
        group by load_id
        order by loaded_at, load_id
    )
{%- endmacro %}
