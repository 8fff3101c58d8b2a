{#
    A statement that makes a table of the rows which a model holds no more, and of
    those that are new in it (is_new); a changed row is one of each.

    building: the model as it is now: the touched groups where it lies in partitions,
              else all of it.
#}
{% macro rows_that_differ(
    changed, existing, building, touched, group_by, compared, partition
) -%}
    create table {{ changed }} using parquet as
    with
    old_rows as (
        select {{ compared | join(', ') }}
        from {{ existing }} as old
        {%- if partition %}
        left semi join {{ touched }} as touched
            on {{ equal_on('old', 'touched', group_by) }}
        where old.{{ partition.name }} in (select {{ partition.expression }} from {{ touched }})
        {%- endif %}
    ),
    new_rows as (
        select {{ compared | join(', ') }} from {{ building }}
    ),
    differing as (
        select *, false as is_new
        from (select * from old_rows except all select * from new_rows)
        union all
        select *, true as is_new
        from (select * from new_rows except all select * from old_rows)
    )
    {%- if partition and partition.name not in compared %}
    select *, {{ partition.expression }} as {{ partition.name }} from differing
    {%- else %}
    select * from differing
    {%- endif %}
{%- endmacro %}
