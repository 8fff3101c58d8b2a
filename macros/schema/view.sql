{#
    dbt's view, left alone while neither its SQL nor the columns that it reads
    have changed: most of a quiet build would else be spent on making the same
    views again.
#}
{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set name = this.schema ~ '.' ~ this.identifier -%}
    {%- set made_of = run_query(view_checksum(compiled_code)).columns[0].values()[0] -%}
    {%- set is_as_it_was = existing is not none and existing.is_view and run_query(
        "select count(*) from ledger.views where name = '" ~ name
        ~ "' and made_of = '" ~ made_of ~ "'"
    ).columns[0].values()[0] -%}

    {{ run_hooks(pre_hooks) }}
    {% if is_as_it_was %}
        {% call statement('main') -%} select 1 {%- endcall %}
    {% else %}
        {% if existing is not none and not existing.is_view %}
            {% do adapter.drop_relation(existing) %}
        {% endif %}
        {% call statement('main') -%}
            {% if config.get('contract').enforced -%}
                {{ get_assert_columns_equivalent(compiled_code) }}
            {%- endif %}
            create or replace view {{ target_relation }} as (
                {{ compiled_code }}
            );

            delete from ledger.views where name = '{{ name }}';

            insert into ledger.views values ('{{ name }}', '{{ made_of }}')
        {%- endcall %}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
