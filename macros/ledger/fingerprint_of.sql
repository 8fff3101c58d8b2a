{#
    An expression: a hash over the rows of some small relations, whatever their
    order.
#}
{% macro fingerprint_of(names) -%}
    concat_ws(' ', ''
        {%- for name in names %}, (
            select md5(coalesce({{ joined('line', separator='chr(10)') }}, ''))
            from (select {{ row_text('r') }} as line from {{ ref(name) }} as r)
        )
        {%- endfor %})
{%- endmacro %}
