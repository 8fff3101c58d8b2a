{#
    The materialization of the same name (macros/ledger) for Spark: the list in a
    table of its own, and where it looked in a new line of the ledger.
#}
{% materialization touched_list, adapter='spark' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set meta = config.get('meta') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- do check_depends_on(meta.get('rebuilt_with', []) + meta.get('fingerprint', [])) -%}
    {%- set rebuild = why_rebuild(
        meta.touches, meta.get('rebuilt_with', []), meta.get('fingerprint', []),
        meta.get('rebuilt_after_hours')
    ) -%}
    {%- set last = positions().get(meta.touches, {}) -%}
    {%- do positions().update({meta.touches: {
        'taken_through': last.get('taken_through', 0),
        'fingerprint': last.get('fingerprint'),
        'rebuild_reason': rebuild.reason,
        'looked_through': next_change_number(),
        'looked_fingerprint': rebuild.fingerprint
    }}) -%}

    {{ run_hooks(pre_hooks) }}
    {% if existing is not none %}
        {% do adapter.drop_relation(existing) %}
    {% endif %}
    {% call statement('main') -%}
        create table {{ target_relation }} using parquet as
        select * from (
            {{ compiled_code }}
        ) {{ 'where false' if rebuild.reason }}
    {%- endcall %}
    {% do run_query(position_line(
        meta.touches, positions()[meta.touches], last.get('taken_through'), last.get('fingerprint')
    )) %}
    {{ run_hooks(post_hooks) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
