{#
    The texts of a group in one, in order and with a comma between them.

    order_by: what to order by; the texts themselves unless given.
    distinct: whether each text comes once.
    separator: an expression.
#}
{% macro joined(text, order_by=none, distinct=false, separator="', '") -%}
    {{ return(adapter.dispatch('joined', 'tallybook')(
        ('distinct ' if distinct else '') ~ text, order_by or text, separator
    )) }}
{%- endmacro %}

{% macro duckdb__joined(text, order_by, separator) -%}
    string_agg({{ text }}, {{ separator }} order by {{ order_by }})
{%- endmacro %}

{% macro spark__joined(text, order_by, separator) -%}
    string_agg({{ text }}, {{ separator }}) within group (order by {{ order_by }})
{%- endmacro %}
