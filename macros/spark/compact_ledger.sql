{#
    Writes each table of the ledger again as one file, without what nobody asks for any
    more: lines of positions but the newest, changes that every model has taken, builds
    of more than 90 days ago. A build adds some fifty files.

    dbt run-operation compact_ledger --target spark; builds do so by themselves.
#}
{% macro compact_ledger() -%}
    {%- set through = run_query(
        'select coalesce(min(coalesce(taken_through, 0)), 0) from ledger.positions'
    ).rows[0][0] | int -%}
    {%- set kept = {
        'loads': 'true',
        'position_lines': 'line in (select max(line) from ledger.position_lines group by model)',
        'rebuilt_days': 'true',
        'builds': 'built_at > current_timestamp - interval 90 day or change_number in '
            ~ '(select max(change_number) from ledger.builds group by model)'
    } -%}
    {%- for node in graph.nodes.values() if node.config.materialized == 'touched_groups' -%}
        {%- do kept.update({node.name ~ '__changes': 'change_number > ' ~ through}) -%}
    {%- endfor -%}
    {%- for name, condition in kept.items() -%}
        {%- do run_query('drop table if exists ledger.' ~ name ~ '__compact') -%}
        {%- do run_query(
            'create table ledger.' ~ name ~ '__compact using parquet as '
            ~ 'select /*+ coalesce(1) */ * from ledger.' ~ name ~ ' where ' ~ condition
        ) -%}
        {%- do run_query('drop table ledger.' ~ name) -%}
        {%- do run_query('alter table ledger.' ~ name ~ '__compact rename to ledger.' ~ name) -%}
    {%- endfor -%}
{%- endmacro %}
