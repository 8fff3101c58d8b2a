{{ config(materialized='ephemeral') }}

{# What keeps mail from an address, with the reason, and what lifts it again,
   with none. #}
with

rules as (

    select * from {{ ref('suppression_rules') }}

),

events as (

    select * from {{ ref('fct_message_events') }}

    where account_id is not null
        and recipient_key is not null
        and event_type in (select rules.event_type from rules)
        and {{ is_touched(
            'fct_suppressions',
            ref('int_suppressions__touched'),
            ['account_id', 'recipient_key'],
        ) }}

),

concerning as (

    select
        events.account_id,
        events.recipient_key,
        events.recipient,
        rules.reason,
        coalesce(events.scope, 'all') as scope,
        events.occurred_at,
        events.event_key

    from events

    inner join rules
        on events.event_type = rules.event_type

    where events.severity is distinct from 'temporary'
        and (
            rules.condition is null
            or rules.condition in (
                'bounce_class=' || events.bounce_class,
                'reject_reason=' || events.reject_reason,
                'smtp_code=' || events.smtp_code
            )
        )

)

select * from concerning
