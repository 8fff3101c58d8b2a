{#
    The counts of recipients that every mart of performance has, as columns:
    of an email, of all emails of a notification, of a part of an email.

    counted: what is counted; `*` where a recipient is one row, else
             `distinct recipient_key`.
#}
{% macro counts_of_recipients(counted='*') -%}
        count({{ counted }}) as sent,
        {%- for name, condition in recipient_counts().items() %}
        count({{ counted }}) filter (
            where {{ condition }}
        ) as {{ name }},
        {%- endfor %}
        cast(sum(open_events) as bigint) as open_events,
        cast(sum(click_events) as bigint) as click_events
{%- endmacro %}
