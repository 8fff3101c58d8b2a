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
        meta.order_by         columns in whose order a whole build writes the rows,
                              as they would have come one after the other: what
                              is asked for later lies together

    What is written goes to DuckDB in one piece: each statement that dbt sends
    costs another 2 ms of logging.
#}
{% materialization touched_groups, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set meta = config.get('meta') -%}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set group_by = meta.get('group_by', unique_key) -%}
    {%- set touched = ref(meta.touched_by) -%}
    {%- set reason = rebuild_reason(this.identifier) -%}
    {%- set changes = 'ledger.' ~ this.identifier ~ '__changes' -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if reason %}
        {% if existing is not none and not existing.is_table %}
            {% do adapter.drop_relation(existing) %}
        {% endif %}
        {% call statement('main') -%}
            {{ replace_table(
                target_relation,
                compiled_code ~ ('\norder by ' ~ meta.order_by | join(', ') if meta.order_by)
            ) }};
            {#- Whoever made something of its rows is rebuilt as well. #}
            delete from {{ changes }};
            {{ note_build(
                "nextval('ledger.change_numbers')", reason, none,
                0, "(select count(*) from " ~ target_relation ~ ")"
            ) }}
            {{ note_taken() }}
        {%- endcall %}
    {% else %}
        {% set found = run_query(
            "select nextval('ledger.change_numbers'), count(*) from (select distinct "
            ~ group_by | join(', ') ~ " from " ~ touched ~ ")"
        ).rows[0] %}
        {% set number, touched_count = found[0], found[1] %}
        {% if touched_count %}
            {% set compared = adapter.get_columns_in_relation(existing)
                | map(attribute='name') | reject('equalto', meta.get('written_at')) | list %}
        {% endif %}
        {% call statement('main') -%}
            {%- if touched_count %}
            {{ rewrite_touched_groups(
                target_relation, compiled_code, touched, group_by,
                unique_key, compared, changes, change_columns(model), number
            ) }};
            {{ note_build(
                number, '', touched_count,
                "(select count(*) from removed__rows)", "(select count(*) from added__rows)"
            ) }}
            {%- endif %}
            {{ note_taken() }}
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
