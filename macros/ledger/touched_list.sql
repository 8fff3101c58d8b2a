{#
    A materialization for the models that list which groups of another model
    were touched since that one last took from upstream. It also decides
    whether that model must be rebuilt whole, and notes up to where it looked;
    a run that dies before the other model commits looks again.

    Configuration:
        meta.touches        the model whose groups are listed
        meta.rebuilt_with   models whose whole rebuild rebuilds that one, since
                            they then list no changed rows
        meta.fingerprint    small relations (seeds, settings) whose change
                            rebuilds that one
        meta.rebuilt_after_hours
                            how long after its last whole rebuild that one is
                            rebuilt whole again, whatever arrived
#}
{% materialization touched_list, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set meta = config.get('meta') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- do check_depends_on(meta.get('rebuilt_with', []) + meta.get('fingerprint', [])) -%}
    {%- set rebuild = why_rebuild(
        meta.touches, meta.get('rebuilt_with', []), meta.get('fingerprint', []),
        meta.get('rebuilt_after_hours')
    ) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if existing is not none and not existing.is_table %}
        {% do adapter.drop_relation(existing) %}
    {% endif %}
    {% call statement('main') -%}
        create or replace table {{ target_relation }} as
        select * from (
            {{ compiled_code }}
        ) {{ 'where false' if rebuild.reason }};

        merge into ledger.positions as positions
        using (select '{{ meta.touches }}' as model) as looked
            on positions.model = looked.model
        when matched then update set
            looked_through = nextval('ledger.change_numbers'),
            rebuild_reason = '{{ rebuild.reason }}',
            fingerprint = '{{ rebuild.fingerprint }}'
        when not matched then insert
        values (
            looked.model,
            nextval('ledger.change_numbers'),
            '{{ rebuild.reason }}',
            '{{ rebuild.fingerprint }}',
            null,
            null
        )
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {% do positions().setdefault(meta.touches, {}).update(rebuild_reason=rebuild.reason) %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
