{#
    Where the data tests stand, read once a run and kept in dbt's `graph` (as
    positions is):

    passed   by test: up to which number it has passed, and whether a day is over
             since it last looked at everything
    rebuilt  by model: the number of its last whole rebuild before this run
    trimmed  up to which number changed rows are forgotten
    looked   by test of this run: whether it looks at everything
#}
{% macro test_positions() -%}
    {{ return(adapter.dispatch('test_positions', 'tallybook')()) }}
{%- endmacro %}

{% macro duckdb__test_positions() -%}
    {%- set key = 'ledger.tests as seen by ' ~ invocation_id -%}
    {%- if key not in graph -%}
        {%- set found = {'passed': {}, 'rebuilt': {}, 'trimmed': 0, 'looked': {}} -%}
        {%- for row in run_query("
            select
                'passed', test, passed_through,
                looked_at_all_at < current_timestamp - interval 24 hour
            from ledger.tests
            union all
            select 'rebuilt', model, max(change_number), false
            from ledger.rebuilds group by model
            union all
            select 'trimmed', '', coalesce(max(through), 0), false from ledger.trimmed
        ").rows -%}
            {%- if row[0] == 'passed' -%}
                {%- do found.passed.update({row[1]: {'through': row[2] | int, 'is_due': row[3]}}) -%}
            {%- elif row[0] == 'rebuilt' -%}
                {%- do found.rebuilt.update({row[1]: row[2] | int}) -%}
            {%- else -%}
                {%- do found.update(trimmed=row[2] | int) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do graph.setdefault(key, found) -%}
    {%- endif -%}
    {{ return(graph[key]) }}
{%- endmacro %}

{% macro spark__test_positions() -%}
    {#- Tests look at everything on Spark: there are no positions yet. -#}
    {{ return({'passed': {}, 'rebuilt': {}, 'trimmed': 0, 'looked': {}}) }}
{%- endmacro %}
