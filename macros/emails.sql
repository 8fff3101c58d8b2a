{#
    Emails, as a subquery: those of the application, and those that are derived from
    events where there is none.

    only: a condition on email_id. It must stand before derived recipients are
    grouped, or an engine would group all there are to find the few that are asked
    for.
#}
{% macro emails(only='true') -%}
    (
        select
            email_id,
            account_id,
            notification_id,
            subject,
            newsletter_id,
            track_opens,
            submitted_at,
            is_deleted
        from {{ ref('stg_app__emails') }}
        where {{ only }}

        union all

        select
            email_id,
            min(account_id) as account_id,
            cast(null as string) as notification_id,
            min(subject) as subject,
            cast(null as string) as newsletter_id,
            cast(null as boolean) as track_opens,
            min(sent_at) as submitted_at,
            false as is_deleted
        from {{ derived_recipients(only) }}
        group by email_id
    )
{%- endmacro %}
