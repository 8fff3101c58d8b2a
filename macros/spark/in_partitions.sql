{#
    A statement that makes a table of a model, in partitions if there are any: the
    rows of each lie together, in as few files as hold them.
#}
{% macro in_partitions(relation, sql, partition) -%}
    create table {{ relation }} using parquet
    {%- if not partition %}
    as
    {{ sql }}
    {%- else %}
    partitioned by ({{ partition.name }}) as
    select /*+ rebalance({{ partition.name }}) */ *
    from (
        select *{{ ', ' ~ partition.expression ~ ' as ' ~ partition.name if partition.name not in model.columns }}
        from ({{ sql }})
    )
    {%- endif %}
{%- endmacro %}
