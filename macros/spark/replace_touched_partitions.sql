{#
    Spark's way to replace the touched groups of a table that lies in partitions:
    statements that write the touched partitions again, with the new rows of the
    touched groups and the others as they were. An overwrite leaves alone what it
    has no rows of, so emptied partitions are dropped before.

    Not one transaction: whoever calls it notes first what will change and last
    that it is done. A run that dies on the way comes to the same rows again.

    new_rows: the relation that holds the touched groups as they are now; not a
              view over the table.
    partition: the column of the partitions, which is one of group_by.
#}
{% macro replace_touched_partitions(relation, new_rows, touched, group_by, partition) -%}
    {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- for row in run_query("
        select distinct " ~ partition ~ " from " ~ touched ~ "
        except
        select " ~ partition ~ " from " ~ new_rows ~ "
        except
        select " ~ partition ~ " from " ~ untouched_groups(relation, touched, group_by, partition)
    ).rows %}
    alter table {{ relation }} drop if exists partition ({{ partition }} = '{{ row[0] }}');
    {%- endfor %}
    insert overwrite table {{ relation }} by name
    select {{ columns | join(', ') }} from {{ untouched_groups(relation, touched, group_by, partition) }}
    union all
    select {{ columns | join(', ') }} from {{ new_rows }}
{%- endmacro %}
