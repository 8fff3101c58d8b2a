{#
    The condition that an id is a Message-ID, or a provider's id of a message, of an
    event that is matched now; true of every id when all events are.
#}
{% macro is_touched_id(id) -%}
    {%- set touched = ref('int_message_events__touched') -%}
    {%- if touched_only('fct_message_events') -%}
    {{ id }} in (
        select message_id from {{ touched }}
        union all
        select provider_message_id from {{ touched }}
    )
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}
