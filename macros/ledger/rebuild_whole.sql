{#
    Makes a table anew beside the one that is there, since the model may read
    that one, and puts it in its place. Whoever made something of its rows is
    rebuilt as well, so its list of changes begins anew.
#}
{% macro rebuild_whole(relation, sql, changes) -%}
    {%- set building = make_intermediate_relation(relation) -%}
    {{ create_table_as(False, building, sql) }}
    drop table if exists {{ relation }};
    alter table {{ building }} rename to {{ adapter.quote(relation.identifier) }};
    delete from {{ changes }};
{%- endmacro %}
