{#
    Writes the partitions again that hold rows which differ (rows_that_differ): with
    the new ones, without those that are gone, and with all others as they were. An
    overwrite leaves alone what it has no rows of, so emptied partitions are dropped.
#}
{% macro replace_changed_partitions(existing, building, changed, unique_key, columns, partition) -%}
    {%- set names = columns if partition.name in columns else columns + [partition.name] -%}
    {%- set rows_now %}
        select old.*
        from {{ existing }} as old
        left anti join (select * from {{ changed }} where not is_new) as gone
            on {{ equal_on('old', 'gone', unique_key) }}
        where old.{{ partition.name }} in (select {{ partition.name }} from {{ changed }})
    {%- endset -%}
    {%- set emptied = run_query(
        "select distinct cast(" ~ partition.name ~ " as string) from " ~ changed
        ~ " where " ~ partition.name ~ " not in (select " ~ partition.name ~ " from " ~ changed ~ " where is_new)"
        ~ " and " ~ partition.name ~ " not in (select " ~ partition.name ~ " from (" ~ rows_now ~ "))"
    ).rows -%}
    {%- do run_query(
        "insert overwrite table " ~ existing ~ " by name "
        ~ "select /*+ rebalance(" ~ partition.name ~ ") */ * from ("
        ~ "select " ~ names | join(', ') ~ " from (" ~ rows_now ~ ") union all "
        ~ "select " ~ names | join(', ') ~ " from " ~ building ~ " as new "
        ~ "left semi join (select * from " ~ changed ~ " where is_new) as added on "
        ~ equal_on('new', 'added', unique_key) ~ ")"
    ) -%}
    {%- for row in emptied -%}
        {%- do run_query(
            "alter table " ~ existing ~ " drop if exists partition ("
            ~ partition.name ~ " = '" ~ row[0] ~ "')"
        ) -%}
    {%- endfor -%}
{%- endmacro %}
