{#
    The rows of the touched partitions that belong to no touched group, as a
    subquery.
#}
{% macro untouched_groups(relation, touched, group_by, partition) -%}
    (
        select old.*
        from {{ relation }} as old
        left semi join {{ touched }} as dates
            on {{ equal_on('old', 'dates', [partition]) }}
        left anti join {{ touched }} as touched
            on {{ equal_on('old', 'touched', group_by) }}
    )
{%- endmacro %}
