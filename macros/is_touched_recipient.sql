{#
    The condition that an email's recipient is of a touched group of the model;
    like is_touched, which says what its arguments are.

    The email is asked for by itself, too: an address is lower-cased on the way, and
    DuckDB skips no part of a table by a pair of which one half is computed.
#}
{% macro is_touched_recipient(model_name, touched) -%}
    {{ is_touched(model_name, touched, ['email_id'], [few('email_id')]) }}
    and {{ is_touched(model_name, touched, ['email_id', 'recipient_key']) }}
{%- endmacro %}
