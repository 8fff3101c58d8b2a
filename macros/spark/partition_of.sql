{#
    The column by which a mart lies in partitions, as its name and an expression
    over the mart's columns; none where it lies in one piece.

    meta.partition_by names a date of the mart, or an instant: of that it is the UTC
    date, in a column of its own that no contract knows (occurred_at: occurred_on).
#}
{% macro partition_of(node) -%}
    {%- set by = node.config.meta.get('partition_by') -%}
    {%- if by is none -%}{{ return(none) }}{%- endif -%}
    {%- if node.columns[by].data_type == 'date' -%}
        {{ return({'name': by, 'expression': by}) }}
    {%- endif -%}
    {{ return({'name': by | replace('_at', '_on'), 'expression': utc_date(by)}) }}
{%- endmacro %}
