{#
    A materialization for tables that are made of groups (an event, a
    recipient, an account's day): a build computes the groups that were
    touched, compares them with what is there, and writes only the rows that
    differ. Emptied groups go, untouched ones are not even read, and the keys
    of what changed are written to the ledger for the models downstream, all
    in one transaction together with how far it has taken.

    Configuration:
        unique_key            columns of the grain
        meta.touched_by       model that lists the touched groups
        meta.group_by         columns of a group, also in touched_by
                              (default: unique_key)
        meta.change_columns   further columns kept of a changed row
        meta.written_at       column that says when a row was written; it is
                              left out of the comparison
#}
{% materialization touched_groups, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set meta = config.get('meta') -%}
    {%- set columns = change_columns(model) -%}
    {%- set touched = ref(meta.touched_by) -%}
    {%- set group_by = meta.get('group_by', config.get('unique_key')) -%}
    {%- set reason = rebuild_reason(this.identifier) -%}
    {%- set changes = 'ledger.' ~ this.identifier ~ '__changes' -%}
    {%- set touched_count = run_query(
        "select count(*) from (select distinct " ~ group_by | join(', ') ~ " from " ~ touched ~ ")"
    ).columns[0].values()[0] -%}
    {%- set number = run_query("select nextval('ledger.change_numbers')").columns[0].values()[0] -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if reason %}
        {% set building = make_intermediate_relation(target_relation) %}
        {% do drop_relation_if_exists(load_cached_relation(building)) %}
        {% call statement('main') -%}
            {{ create_table_as(False, building, compiled_code) }}
        {%- endcall %}
        {% if existing is not none %}{% do adapter.drop_relation(existing) %}{% endif %}
        {% do adapter.rename_relation(building, target_relation) %}
        {% call statement('forget_changes') -%}
            delete from {{ changes }}
        {%- endcall %}
        {% set counts = run_query(
            "select 0, count(*) from " ~ target_relation
        ).rows[0] %}
    {% elif touched_count == 0 %}
        {% call statement('main') %}select 0{% endcall %}
    {% else %}
        {% set compared = [] %}
        {% for column in adapter.get_columns_in_relation(existing)
            if column.name != meta.get('written_at') %}
            {% do compared.append(column.name) %}
        {% endfor %}
        {% call statement('main') -%}
            {{ rewrite_touched_groups(
                target_relation, compiled_code, touched, group_by,
                config.get('unique_key'), compared, changes, columns, number
            ) }}
        {%- endcall %}
        {% set counts = run_query(
            "select (select count(*) from removed__rows), (select count(*) from added__rows)"
        ).rows[0] %}
    {% endif %}

    {% if counts is defined %}
        {% call statement('note_build') -%}
            insert into ledger.builds
            values (
                {{ number }},
                '{{ this.identifier }}',
                '{{ 'whole' if reason else 'touched' }}',
                '{{ reason }}',
                {{ 'null' if reason else touched_count }},
                {{ counts[0] }},
                {{ counts[1] }},
                '{{ invocation_id }}',
                current_timestamp
            )
        {%- endcall %}
    {% endif %}
    {% call statement('note_position') -%}
        update ledger.positions set
            taken_through = looked_through, taken_fingerprint = fingerprint
        where model = '{{ this.identifier }}'
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
