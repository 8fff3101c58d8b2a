{#
    dbt's view, left alone while neither its SQL nor the columns that it reads
    have changed: most of a quiet build would else be spent on making the same
    views again.
#}
{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set name = this.schema ~ '.' ~ this.identifier -%}

    {{ run_hooks(pre_hooks) }}
    {#- Outside a transaction: a view that stays needs none. -#}
    {% call statement('main', fetch_result=True, auto_begin=False) -%}
        select
            made_of,
            made_of in (select made_of from ledger.views where name = '{{ name }}')
        from ({{ view_checksum(compiled_code) }}) as now (made_of)
    {%- endcall %}
    {% set made_of, is_noted = load_result('main').table.rows[0].values() %}
    {% if not is_noted or existing is none or not existing.is_view %}
        {% if existing is not none and not existing.is_view %}
            {% do adapter.drop_relation(existing) %}
        {% endif %}
        {% call statement('create_view') -%}
            {% if config.get('contract').enforced -%}
                {{ get_assert_columns_equivalent(compiled_code) }}
            {%- endif %}
            create or replace view {{ target_relation }} as (
                {{ compiled_code }}
            );

            delete from ledger.views where name = '{{ name }}';

            insert into ledger.views values ('{{ name }}', '{{ made_of }}')
        {%- endcall %}
        {% do adapter.commit() %}
    {% endif %}
    {{ run_hooks(post_hooks) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
