{#
    Each row begins with an event of its address, and whoever complained or
    unsubscribed has a row: counted without the rules and the order of lifts.
#}
with

suppressions as (

    select * from {{ ref('fct_suppressions') }}

),

events as (

    select * from {{ ref('fct_message_events') }}
    where event_type in (
            'unsubscribed', 'complained', 'bounced', 'rejected', 'subscribed'
        )

),

expected as (

    select distinct
        account_id,
        recipient_key,
        case event_type
            when 'complained' then 'spam'
            else event_type
        end as reason,
        coalesce(scope, 'all') as scope

    from events

    where event_type in ('unsubscribed', 'complained')
        and account_id is not null
        and recipient_key is not null

)

select
    suppressions.account_id,
    suppressions.recipient_key,
    suppressions.reason,
    suppressions.scope,
    'no such event' as difference

from suppressions

left join events
    on suppressions.since = events.occurred_at
    and suppressions.event_key = events.event_key
    and suppressions.account_id = events.account_id
    and suppressions.recipient_key = events.recipient_key

where events.event_key is null
    or suppressions.lifted_at <= suppressions.since
    or (suppressions.reason = 'bounced')
    <> (events.event_type in ('bounced', 'rejected'))

union all

select
    expected.account_id,
    expected.recipient_key,
    expected.reason,
    expected.scope,
    'no such suppression' as difference

from expected

left join suppressions
    on expected.account_id = suppressions.account_id
    and expected.recipient_key = suppressions.recipient_key
    and expected.reason = suppressions.reason
    and expected.scope = suppressions.scope

where suppressions.account_id is null
