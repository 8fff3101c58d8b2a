{#
    Emails and their recipients, as a subquery: those that the application sent,
    and those that are derived from events where there is none.

    One recipient may be written twice in differing capitals; the row that the
    application changed last speaks, and any row that is left keeps it.

    only: a condition on email_id (and recipient_key). It must stand before the
    choice among spellings, or an engine would make that choice for everybody to
    find the few that are asked for.
#}
{% macro email_recipients(only='true') -%}
    (
        select
            email_id,
            recipient_key,
            recipient,
            member_id,
            message_id,
            sent_at,
            is_deleted
        from (
            select
                *,
                row_number() over (
                    partition by email_id, recipient_key
                    order by
                        is_deleted asc, updated_at desc nulls last, recipient asc
                ) as place
            from {{ ref('stg_app__email_recipients') }}
            where {{ only }}
        )
        where place = 1

        union all

        select
            email_id,
            recipient_key,
            recipient,
            cast(null as string) as member_id,
            sent_message_id as message_id,
            sent_at,
            false as is_deleted
        from {{ derived_recipients(only) }}
    )
{%- endmacro %}
