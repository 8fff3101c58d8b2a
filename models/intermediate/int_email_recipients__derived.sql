{{ config(
    materialized='touched_groups',
    unique_key=['email_id', 'recipient_key'],
    contract={'enforced': true},
    meta={
        'touched_by': 'int_email_recipients__derived_touched',
        'change_columns': ['message_id'],
    },
) }}

-- depends_on: {{ ref('int_email_recipients__derived_touched') }}

with

accepted as (

    select
        email_id,
        recipient_key,
        account_id,
        recipient,
        message_id,
        subject,
        occurred_at as sent_at,
        event_key

    from {{ ref('int_message_events__accepted') }}

    where {{ is_touched(
        'int_email_recipients__derived',
        arrived('int_email_recipients__derived'),
        ['load_id'],
    ) }}

),

built as (

    select *
    from {{ already_built('int_email_recipients__derived', [
        'email_id',
        'recipient_key',
        'account_id',
        'recipient',
        'message_id',
        'subject',
        'sent_at',
        'event_key',
    ]) }}

),

{# The earliest of what is known and what is new needs no history: the order of
   arrival doesn't matter. #}
known as (

    select * from accepted

    union all

    select built.*

    from built

    where {{ touched_only('int_email_recipients__derived') }}
        and (built.email_id, built.recipient_key) in (
            select
                accepted.email_id,
                accepted.recipient_key
            from accepted
        )

),

ranked as (

    select
        *,
        row_number() over (
            partition by email_id, recipient_key
            order by sent_at, event_key
        ) as place

    from known

),

earliest as (

    select
        email_id,
        recipient_key,
        account_id,
        recipient,
        message_id,
        subject,
        sent_at,
        event_key

    from ranked

    where place = 1

)

select * from earliest
