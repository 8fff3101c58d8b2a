{#
    The built events to which another email or recipient belongs since what events
    tell of their messages has changed (int_email_recipients__derived), as a subquery.

    built: the built events, as a subquery.
-#}
{% macro events_of_told_messages(built) -%}
    {%- set columns = 'built.occurred_at, built.event_key, built.message_id,
        built.provider_message_id' -%}
    (
        with

        changed as (
            select *
            from {{ changes('int_email_recipients__derived', 'fct_message_events') }}
        ),

        changed_emails as (
            select distinct email_id from changed
        ),

        present_emails as (
            select * from {{ emails(
                'email_id in (select changed.email_id from changed)'
            ) }}
        ),

        present_recipients as (
            select * from {{ derived_recipients(
                '(email_id, recipient_key) in (
                    select changed.email_id, changed.recipient_key from changed
                )'
            ) }}
        ),

        {# An email that nobody was sent before has events under its ids already. #}
        new_emails as (
            select email_id from present_emails
            where email_id not in (
                    select built.email_id from {{ built }} as built
                    where built.email_id in (select changed.email_id from changed)
                )
        ),

        ids as (
            select
                message_id,
                provider_message_id
            from changed

            union

            select
                message_id,
                provider_message_id
            from {{ ref('int_email_recipients__derived') }}
            where email_id in (select new_emails.email_id from new_emails)
        ),

        links as (
            select * from {{ message_links('message_id in (
                select ids.message_id from ids
                union all
                select ids.provider_message_id from ids
            )') }}
        ),

        known_links as (
            select
                links.message_id,
                known.email_id
            from links
            left join {{ emails(
                'email_id in (select links.email_id from links)'
            ) }} as known
                on links.email_id = known.email_id
        )

        select {{ columns }}
        from {{ built }} as built
        inner join changed_emails as changed
            on built.email_id = changed.email_id
        left join present_emails as present
            on changed.email_id = present.email_id
        where present.email_id is null
            or built.account_id is distinct from present.account_id

        union

        select {{ columns }}
        from {{ built }} as built
        inner join present_emails as present
            on built.given_email_id = present.email_id
        where built.email_id is null

        union

        select {{ columns }}
        from {{ built }} as built
        inner join changed
            on built.email_id = changed.email_id
            and built.recipient_key = changed.recipient_key
        left join present_recipients as present
            on changed.email_id = present.email_id
            and changed.recipient_key = present.recipient_key
        where (built.unmatched_reason is null) = (present.email_id is null)

        {%- for id in ['message_id', 'provider_message_id'] %}

        union

        select {{ columns }}
        from {{ built }} as built
        inner join known_links
            on built.{{ id }} = known_links.message_id
        where built.given_email_id is null
            and built.email_id is distinct from known_links.email_id
        {%- endfor %}
    )
{%- endmacro %}
