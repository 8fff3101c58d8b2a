{#
    Replaces the touched groups of a table by what the model says now, row by
    row: rows that come out as they were are left alone.
#}
{% macro rewrite_touched_groups(
    relation, sql, touched, group_by, unique_key, compared, changes, change_columns, number
) -%}
    create or replace temp table new__rows as {{ get_assert_columns_equivalent(sql) }} {{ sql }};

    create or replace temp table old__rows as
    select old.*
    from {{ relation }} as old
    semi join {{ touched }} as touched
        on {{ equal_on('old', 'touched', group_by) }};

    create or replace temp table removed__rows as
    select {{ compared | join(', ') }} from old__rows
    except all
    select {{ compared | join(', ') }} from new__rows;

    create or replace temp table added__rows as
    select new__rows.*
    from new__rows
    semi join (
        select {{ compared | join(', ') }} from new__rows
        except all
        select {{ compared | join(', ') }} from old__rows
    ) as added
        on {{ equal_on('new__rows', 'added', unique_key) }};

    delete from {{ relation }} as old
    using removed__rows
    where {{ equal_on('old', 'removed__rows', unique_key) }};

    insert into {{ relation }} by name
    select * from added__rows;

    insert into {{ changes }} by name
    select
        {{ number }} as change_number,
        {{ change_columns | join(', ') }}
    from removed__rows
    union
    select
        {{ number }} as change_number,
        {{ change_columns | join(', ') }}
    from added__rows
{%- endmacro %}
