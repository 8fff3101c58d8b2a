{#
    A statement that notes where a model stands: how far its list looked and what
    it decided, and how far the model has taken.

    looked: as positions() says it.
#}
{% macro position_line(model_name, looked, taken_through, taken_fingerprint) -%}
    insert into ledger.position_lines
    values (
        {{ next_change_number() }},
        '{{ model_name }}',
        {{ looked.looked_through }},
        '{{ looked.rebuild_reason }}',
        '{{ looked.looked_fingerprint }}',
        {{ taken_through or 'null' }},
        {{ "'" ~ taken_fingerprint ~ "'" if taken_through else 'null' }}
    )
{%- endmacro %}
