{#
    The condition that a row is of those that were written in some marts since the
    test in hand last passed; true of every row when tests_whole().

    columns: the row's columns, named alike in the ledger's changes of each mart.
#}
{% macro is_untested(model_names, columns) -%}
    {%- if tests_whole(model_names) -%}
    true
    {%- else -%}
    ({{ columns | join(', ') }}) in (
        {%- for name in model_names %}
        select {{ columns | join(', ') }} from {{ untested(name) }}
        {{- ' union' if not loop.last }}
        {%- endfor %}
    )
    {%- endif -%}
{%- endmacro %}
