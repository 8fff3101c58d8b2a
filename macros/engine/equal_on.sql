{#
    Equality of the named columns of two relations; for columns of a grain,
    which are never null. Plain equality, because it prunes what is read.
#}
{% macro equal_on(left, right, columns) -%}
    {%- for column in columns %}
    {{ 'and ' if not loop.first }}{{ left }}.{{ column }} = {{ right }}.{{ column }}
    {%- endfor %}
{%- endmacro %}
