{{ config(
    materialized='touched_groups',
    unique_key=['account_id', 'recipient_key', 'reason', 'scope'],
    meta={
        'touched_by': 'int_suppressions__touched',
        'group_by': ['account_id', 'recipient_key'],
    },
) }}

-- depends_on: {{ ref('int_suppressions__touched') }}

with

events as (

    select * from {{ ref('int_suppressions__events') }}

),

suppressing as (

    select
        *,
        max(occurred_at) over (
            partition by account_id, recipient_key, reason, scope
        ) as last_at

    from events

    where reason is not null

),

{# The lifts before and after the last of them. Within one instant suppressing
   wins: who may not want mail gets none. #}
with_lifts as (

    select
        suppressing.account_id,
        suppressing.recipient_key,
        suppressing.recipient,
        suppressing.reason,
        suppressing.scope,
        suppressing.occurred_at,
        suppressing.event_key,
        max(lifting.occurred_at) filter (
            where lifting.occurred_at <= suppressing.last_at
        ) as lifted_before_at,
        min(lifting.occurred_at) filter (
            where lifting.occurred_at > suppressing.last_at
        ) as lifted_at

    from suppressing

    left join events as lifting
        on suppressing.account_id = lifting.account_id
        and suppressing.recipient_key = lifting.recipient_key
        and suppressing.scope = lifting.scope
        and lifting.reason is null

    group by all

),

{# The present suppression, or the last one, begins after the lift before it. #}
ranked as (

    select
        *,
        row_number() over (
            partition by account_id, recipient_key, reason, scope
            order by occurred_at, event_key
        ) as place

    from with_lifts

    where lifted_before_at is null
        or occurred_at >= lifted_before_at

),

suppressions as (

    select
        account_id,
        recipient,
        recipient_key,
        reason,
        scope,
        occurred_at as since,
        lifted_at,
        event_key

    from ranked

    where place = 1

)

select * from suppressions
