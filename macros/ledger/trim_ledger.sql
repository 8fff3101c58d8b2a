{#
    Forgets changed rows that every model has taken and that are more than a
    day old; a published file that is further behind is copied whole. How
    often models were built, and which days, is kept for 90 days.
#}
{% macro trim_ledger() -%}
    {{ return(adapter.dispatch('trim_ledger', 'tallybook')()) }}
{%- endmacro %}

{% macro duckdb__trim_ledger() -%}
    {%- if execute %}
    {%- set through = run_query("
        select coalesce(least(
            (select min(coalesce(taken_through, 0)) from ledger.positions),
            (
                select max(change_number)
                from ledger.builds
                where built_at < current_timestamp - interval 1 day
            ),
            (select max(change_number) from ledger.builds)
        ), 0)
        where exists (
            select 1 from ledger.builds
            where built_at < current_timestamp - interval 1 day
        )
    ").rows %}
    {%- if through %}
    {%- for node in graph.nodes.values() if node.config.materialized == 'touched_groups' %}
    delete from ledger.{{ node.name }}__changes where change_number <= {{ through[0][0] }};
    {%- endfor %}
    delete from ledger.builds
    where built_at < current_timestamp - interval 90 day
        and change_number not in (
            select max(change_number) from ledger.builds group by model
        );
    delete from ledger.rebuilt_days
    where change_number not in (select change_number from ledger.builds);
    delete from ledger.requested_days
    where requested_at < current_timestamp - interval 90 day;
    delete from ledger.trimmed;
    insert into ledger.trimmed values ({{ through[0][0] }});
    {%- endif %}
    {%- endif %}
{%- endmacro %}

{% macro spark__trim_ledger() -%}
    {#- Some thirty builds. -#}
    {%- if execute and run_query(
        'select count(*) from ledger.position_lines'
    ).rows[0][0] | int > 1000 -%}
        {%- do compact_ledger() -%}
    {%- endif -%}
{%- endmacro %}
