{#
    The condition that a row belongs to a touched group of the model; true of
    every row when the model is rebuilt whole.

    model_name: the model whose groups are touched.
    touched: the relation that lists them.
    columns: the row's columns, in the order of `keys`.
    keys: the group's columns in `touched`; named alike unless given.
#}
{% macro is_touched(model_name, touched, columns, keys=none) -%}
    {%- if touched_only(model_name) -%}
    ({{ columns | join(', ') }}) in (
        select {{ (keys or columns) | join(', ') }}
        from {{ touched }}
    )
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}
