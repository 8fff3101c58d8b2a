{#
    Which email a message id stands for, as a subquery: a recipient's message, or a
    batch's. An id that was given to two emails by mistake is read as the first of
    them, the same one at every build.

    only: a condition on message_id. It must stand before ids are grouped, or an
    engine would group all there are to find the few that are asked for.
#}
{% macro message_links(only='true') -%}
    (
        select
            message_id,
            min(email_id) as email_id
        from (
            select
                message_id,
                email_id
            from {{ ref('stg_app__email_recipients') }}

            union all

            select
                message_id,
                email_id
            from {{ ref('int_email_recipients__derived') }}
            where message_id <> ''

            union all

            select
                provider_message_id as message_id,
                email_id
            from {{ ref('int_email_recipients__derived') }}
            where provider_message_id <> ''

            union all

            select
                message_id,
                email_id
            from {{ ref('stg_app__email_batches') }}
        )
        where message_id is not null
            and {{ only }}
        group by message_id
    )
{%- endmacro %}
