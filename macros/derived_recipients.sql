{#
    Emails and recipients that are derived from events, as a subquery: of all that
    was told of one recipient of an email, the earliest.

    only: a condition on email_id (and recipient_key), before that choice.
#}
{% macro derived_recipients(only='true') -%}
    (
        select
            *,
            case
                when message_id <> '' then message_id
                when provider_message_id <> '' then message_name
            end as sent_message_id
        from {{ ref('int_email_recipients__derived') }}
        where sent_at is not null
            and {{ only }}
        qualify row_number() over (
            partition by email_id, recipient_key
            order by sent_at, event_key
        ) = 1
    )
{%- endmacro %}
