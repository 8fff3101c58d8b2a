{#
    Puts a table of the ledger in its place that compact_ledger had written when it was
    killed, and had removed the old one.
#}
{% macro recover_ledger() -%}
    {%- set there = run_query('show tables in ledger').columns[1].values() | list -%}
    {%- for name in there if name.endswith('__compact') and name[:-9] not in there -%}
        {%- do run_query('alter table ledger.' ~ name ~ ' rename to ledger.' ~ name[:-9]) -%}
    {%- endfor -%}
{%- endmacro %}
