{#
    dbt's view, left alone while neither its SQL nor the columns that it reads
    have changed: most of a quiet build would else be spent on making the same
    views again.
#}
{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set name = this.schema ~ '.' ~ this.identifier -%}
    {%- set made_of = view_made_of(compiled_code) -%}

    {{ run_hooks(pre_hooks) }}
    {% if existing is not none and existing.is_view and schema_at_start().views.get(name) == made_of %}
        {% do store_result('main', response='as it was') %}
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
        {% do adapter.commit() %}
    {% endif %}
    {{ run_hooks(post_hooks) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
