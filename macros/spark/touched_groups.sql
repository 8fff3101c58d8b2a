{#
    The materialization of the same name (macros/ledger) for Spark, where a table is
    files: what was touched is computed beside it and compared with it, and then
    those partitions are written again that hold a row which differs. A mart without
    partitions (meta.partition_by) is computed whole once something touches it, and
    compared as well, so that models downstream learn what changed in either case.

    There are no transactions: what will be changed is noted first, and last that
    it was. A run that dies on the way compares again and comes to the same rows.
#}
{% materialization touched_groups, adapter='spark' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set group_by = config.get('meta').get('group_by', unique_key) -%}
    {%- set touched = ref(config.get('meta').touched_by) -%}
    {%- set reason = rebuild_reason(this.identifier) -%}
    {%- set partition = partition_of(model) -%}
    {%- set building = make_intermediate_relation(target_relation) -%}
    {%- set changed = 'ledger.' ~ this.identifier ~ '__changed' -%}
    {%- set changes = 'ledger.' ~ this.identifier ~ '__changes' -%}
    {%- set columns = model.columns.keys() | list -%}
    {%- set compared = columns | reject('equalto', config.get('meta').get('written_at')) | list -%}
    {%- set touched_count = 0 if reason else run_query(
        "select count(*) from (select distinct " ~ group_by | join(', ') ~ " from " ~ touched ~ ")"
    ).rows[0][0] | int -%}

    {{ run_hooks(pre_hooks) }}

    {% if reason or touched_count %}
        {% do adapter.drop_relation(building) %}
        {% do run_query(in_partitions(building, compiled_code, partition)) %}
        {#- The contract is held against what was made: asking the model's SQL for its
            columns would plan it once more. #}
        {% do get_assert_columns_equivalent(
            'select * ' ~ ('except (' ~ partition.name ~ ')' if partition and partition.name not in columns)
            ~ ' from ' ~ building
        ) %}
    {% endif %}

    {% if reason %}
        {% do run_query(note_build(
            next_change_number(), reason, none,
            0, run_query('select count(*) from ' ~ building).rows[0][0]
        )) %}
        {#- Whoever made something of its rows is rebuilt as well. #}
        {% do run_query('truncate table ' ~ changes) %}
        {% do put_in_place(building, existing, target_relation) %}
    {% elif touched_count %}
        {% do run_query('drop table if exists ' ~ changed) %}
        {% do run_query(rows_that_differ(
            changed, existing, building, touched, group_by, compared, partition
        )) %}
        {% set counts = run_query(
            "select count_if(is_new), count_if(not is_new) from " ~ changed
        ).rows[0] %}
        {% set number = next_change_number() %}
        {% do run_query(note_build(number, '', touched_count, counts[1], counts[0])) %}
        {% if counts[0] or counts[1] %}
            {% do run_query(
                'insert into ' ~ changes ~ ' by name select distinct ' ~ number ~ 'L as change_number, '
                ~ change_columns(model) | join(', ') ~ ' from ' ~ changed
            ) %}
            {% if partition %}
                {% do replace_changed_partitions(
                    existing, building, changed, unique_key, columns, partition
                ) %}
            {% else %}
                {% do put_in_place(building, existing, target_relation) %}
            {% endif %}
        {% endif %}
        {% do run_query('drop table ' ~ changed) %}
        {% do adapter.drop_relation(building) %}
    {% endif %}

    {% call statement('main') -%}
        {{ note_taken() }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
