{#
    Makes a table anew beside the one that is there, since the model may read
    that one, and puts it in its place: statements for one transaction.
#}
{% macro replace_table(relation, sql) -%}
    {%- set building = make_intermediate_relation(relation) -%}
    {{ create_table_as(False, building, sql) }}
    drop table if exists {{ relation }};
    alter table {{ building }} rename to {{ adapter.quote(relation.identifier) }}
{%- endmacro %}
