{#
    A sum of doubles that hardly depends on the order of the rows: days that are
    counted again in another order must come out the same.
#}
{% macro sum_of(column) -%}
    {{ return(adapter.dispatch('sum_of', 'tallybook')(column)) }}
{%- endmacro %}

{% macro duckdb__sum_of(column) -%}
    fsum({{ column }})
{%- endmacro %}

{% macro spark__sum_of(column) -%}
    {#- In the order of size: Spark's own sum follows the order of its tasks. -#}
    case when count({{ column }}) > 0
        then aggregate(
            array_sort(collect_list({{ column }})), 0D, (total, added) -> total + added
        )
    end
{%- endmacro %}
