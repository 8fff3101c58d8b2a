{%- set columns = [
    'given_email_id', 'message_id', 'provider_message_id', 'recipient_key',
    'account_id', 'recipient', 'subject', 'sent_at', 'event_key',
] -%}
{%- set ids = [
    'given_email_id', 'message_id', 'provider_message_id', 'recipient_key',
] -%}
{{ config(
    materialized='touched_groups',
    unique_key=[
        'given_email_id', 'message_id', 'provider_message_id', 'recipient_key',
    ],
    contract={'enforced': true},
    meta={
        'touched_by': 'int_email_recipients__derived_touched',
        'group_by': ['message_name'],
        'change_columns': ['email_id'],
    },
) }}

-- depends_on: {{ ref('int_email_recipients__derived_touched') }}


with

arrived as (

    select * from {{ ref('int_message_events__ids') }}

    where {{ is_touched(
            'int_email_recipients__derived',
            arrived('int_email_recipients__derived'),
            ['load_id'],
        ) }}
        and {{ is_touched(
            'int_email_recipients__derived',
            ref('int_email_recipients__derived_touched'),
            ['any_id'],
            ['message_name'],
        ) }}

),

{# Whole messages, with all that was ever told of them. #}
built as (

    select *
    from {{ already_built(
        'int_email_recipients__derived', columns + ['message_name']
    ) }}

    where {{ touched_only('int_email_recipients__derived') }}
        and {{ is_touched(
            'int_email_recipients__derived',
            ref('int_email_recipients__derived_touched'),
            ['message_name'],
        ) }}

),

known as (

    select {{ columns | join(', ') }} from arrived

    union all

    select {{ columns | join(', ') }} from built

),

{# The earliest of what is known and what is new needs no history: the order of
   arrival doesn't matter. #}
told as (

    select *
    from known
    qualify
        row_number() over (
            partition by {{ ids | join(', ') }}
            order by sent_at asc nulls last, event_key asc
        ) = 1

),

{# A provider's message goes by the first of its Message-IDs. #}
first_ids as (

    select
        provider_message_id,
        min(message_id) as message_id

    from told

    where message_id <> ''
        and provider_message_id <> ''

    group by provider_message_id

),

{# Few have several: these are one message, with whatever any of them is one. #}
names as (

    {{ first_connected('told', 'message_id', 'provider_message_id') }}

),

named as (

    select
        told.*,
        coalesce(
            names.first_id,
            nullif(told.message_id, ''),
            first_ids.message_id,
            nullif(told.provider_message_id, ''),
            told.given_email_id
        ) as message_name

    from told

    left join first_ids
        on told.provider_message_id = first_ids.provider_message_id

    left join names
        on coalesce(nullif(told.message_id, ''), first_ids.message_id)
        = names.message_id

),

{# What the application says of a message in one event holds for all of them. #}
final as (

    select
        {{ columns | join(', ') }},
        message_name,
        coalesce(
            nullif(given_email_id, ''),
            min(nullif(given_email_id, '')) filter (
                where message_id <> '' or provider_message_id <> ''
            ) over (partition by message_name),
            message_name
        ) as email_id

    from named

)

select * from final
