{#
    An expression: a hash over the rows of some small relations, whatever their
    order.
#}
{% macro fingerprint_of(names) -%}
    concat_ws(' ', ''
        {%- for name in names %}, (
            select md5(coalesce(string_agg(line, chr(10) order by line), ''))
            from (select cast(r as varchar) as line from {{ ref(name) }} as r)
        )
        {%- endfor %})
{%- endmacro %}
