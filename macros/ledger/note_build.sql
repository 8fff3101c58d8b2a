{#
    The line in the ledger that says what a build did to the model in hand.
#}
{% macro note_build(number, reason, touched_groups, removed, added) -%}
    insert into ledger.builds
    values (
        {{ number }},
        '{{ this.identifier }}',
        '{{ 'whole' if reason else 'touched' }}',
        '{{ reason }}',
        {{ 'null' if touched_groups is none else touched_groups }},
        {{ removed }},
        {{ added }},
        '{{ invocation_id }}',
        current_timestamp
    );
{%- endmacro %}
