{#
    A statement that makes a table of a model with a contract, in partitions if
    there are any: the rows of each lie together, in as few files as hold them.
#}
{% macro in_partitions(relation, sql, partition) -%}
    {{ get_assert_columns_equivalent(sql) }}
    create table {{ relation }} using parquet
    {%- if partition %}
    partitioned by ({{ partition.name }})
    {%- endif %}
    as
    {%- if partition and partition.name not in model.columns %}
    select /*+ rebalance({{ partition.name }}) */ *
    from (
        select {{ model.columns.keys() | join(', ') }}, {{ partition.expression }} as {{ partition.name }}
        from ({{ sql }})
    )
    {%- else %}
    select {{ '/*+ rebalance(' ~ partition.name ~ ') */ ' if partition }}{{ model.columns.keys() | join(', ') }}
    from ({{ sql }})
    {%- endif %}
{%- endmacro %}
