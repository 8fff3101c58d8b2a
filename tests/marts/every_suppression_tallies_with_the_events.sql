{#
    Each row begins with an event of its address, and whoever complained or
    unsubscribed has a row: told without the rules and the order of lifts.

    At most builds only the suppressions that were written and the events that came
    since this test last passed. The events are asked about last: where all of them
    are looked at, all suppressions are, for these are rebuilt with them.
#}
with

suppressions as (

    select * from {{ ref('fct_suppressions') }}

),

written as (

    select * from suppressions

    where {{ is_untested(
        ['fct_suppressions'], ['account_id', 'recipient_key']
    ) }}

),

begun as (

    select * from {{ ref('fct_message_events') }}

    where (occurred_at, event_key) in (
            select
                written.since,
                written.event_key
            from written
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

    from {{ ref('fct_message_events') }}

    where event_type in ('unsubscribed', 'complained')
        and account_id is not null
        and recipient_key is not null
        and {{ is_untested(
            ['fct_message_events'], ['occurred_at', 'event_key']
        ) }}

)

select
    written.account_id,
    written.recipient_key,
    written.reason,
    written.scope,
    'no such event' as difference

from written

left join begun
    on written.since = begun.occurred_at
    and written.event_key = begun.event_key
    and written.account_id = begun.account_id
    and written.recipient_key = begun.recipient_key

where begun.event_key is null
    or written.lifted_at <= written.since
    or written.reason not in ('bounced', 'spam', 'unsubscribed')
    or (written.reason = 'bounced')
    <> (begun.event_type in ('bounced', 'rejected'))

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
