{#
    Creates the ledger: which loads there are, what each build took, and the
    keys of the rows that it changed. docs/incremental.md draws it.

    Every number comes from one sequence, so that "everything up to N was
    taken" can be said of loads and of models alike.
#}
{% macro open_ledger() -%}
    {{ return(adapter.dispatch('open_ledger', 'tallybook')()) }}
{%- endmacro %}

{% macro duckdb__open_ledger() -%}
    {%- if execute %}
    create schema if not exists ledger;
    create sequence if not exists ledger.change_numbers;
    create table if not exists ledger.loads (
        change_number bigint not null,
        load_id varchar not null,
        loaded_at timestamp with time zone not null
    );
    create table if not exists ledger.builds (
        change_number bigint not null,
        model varchar not null,
        mode varchar not null,
        reason varchar not null,
        touched_groups bigint,
        rows_removed bigint not null,
        rows_added bigint not null,
        invocation_id varchar not null,
        built_at timestamp with time zone not null
    );
    create table if not exists ledger.positions (
        model varchar not null,
        looked_through bigint not null,
        rebuild_reason varchar not null,
        fingerprint varchar not null,
        taken_through bigint,
        taken_fingerprint varchar
    );
    create table if not exists ledger.views (
        name varchar not null,
        made_of varchar not null
    );
    create table if not exists ledger.requested_days (
        change_number bigint not null,
        account_id varchar not null,
        from_date date not null,
        to_date date not null,
        requested_at timestamp with time zone not null
    );
    create table if not exists ledger.rebuilt_days (
        change_number bigint not null,
        model varchar not null,
        account_id varchar not null,
        date date not null,
        reasons varchar not null,
        invocation_id varchar not null
    );
    create table if not exists ledger.tests (
        test varchar not null,
        passed_through bigint not null,
        looked_at_all_at timestamp with time zone not null
    );
    create table if not exists ledger.trimmed (through bigint not null);
    create or replace view ledger.rebuilds as
    select model, change_number, reason, built_at as rebuilt_at
    from ledger.builds
    where mode = 'whole';
    {%- for node in graph.nodes.values() if node.config.materialized == 'touched_groups' %}
    create table if not exists ledger.{{ node.name }}__changes (
        change_number bigint not null
        {%- for column in change_columns(node) %},
        {{ column }} {{ node.columns[column].data_type }}
        {%- endfor %}
    );
    {#- A later version may keep more of a changed row. #}
    {%- for column in change_columns(node) %}
    alter table ledger.{{ node.name }}__changes
    add column if not exists {{ column }} {{ node.columns[column].data_type }};
    {%- endfor %}
    {%- endfor %}
    {%- endif %}
{%- endmacro %}

{% macro spark__open_ledger() -%}
    {#- Only ever added to, but for trim_ledger: of a model's lines the newest says
        where it stands. -#}
    {%- if execute %}
    {%- do run_query('create schema if not exists ledger') %}
    {%- do recover_ledger() %}
    {{ ledger_table('loads', {
        'change_number': 'bigint', 'load_id': 'varchar', 'loaded_at': 'timestamp'
    }) }}
    {{ ledger_table('builds', {
        'change_number': 'bigint', 'model': 'varchar', 'mode': 'varchar',
        'reason': 'varchar', 'touched_groups': 'bigint', 'rows_removed': 'bigint',
        'rows_added': 'bigint', 'invocation_id': 'varchar', 'built_at': 'timestamp'
    }) }}
    {{ ledger_table('position_lines', {
        'line': 'bigint', 'model': 'varchar', 'looked_through': 'bigint',
        'rebuild_reason': 'varchar', 'fingerprint': 'varchar',
        'taken_through': 'bigint', 'taken_fingerprint': 'varchar'
    }) }}
    {{ ledger_table('requested_days', {
        'change_number': 'bigint', 'account_id': 'varchar', 'from_date': 'date',
        'to_date': 'date', 'requested_at': 'timestamp'
    }) }}
    {{ ledger_table('rebuilt_days', {
        'change_number': 'bigint', 'model': 'varchar', 'account_id': 'varchar',
        'date': 'date', 'reasons': 'varchar', 'invocation_id': 'varchar'
    }) }}
    create or replace view ledger.positions as
    select model, newest.*
    from (
        select
            model,
            max_by(struct(
                looked_through, rebuild_reason, fingerprint, taken_through,
                taken_fingerprint
            ), line) as newest
        from ledger.position_lines
        group by model
    );
    create or replace view ledger.rebuilds as
    select model, change_number, reason, built_at as rebuilt_at
    from ledger.builds
    where mode = 'whole';
    {%- for node in graph.nodes.values() if node.config.materialized == 'touched_groups' %}
    {%- set columns = {'change_number': 'bigint'} %}
    {%- for column in change_columns(node) %}
    {%- do columns.update({column: node.columns[column].data_type}) %}
    {%- endfor %}
    {{ ledger_table(node.name ~ '__changes', columns) }}
    {%- endfor %}
    {%- endif %}
{%- endmacro %}
