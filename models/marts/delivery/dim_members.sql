{{ config(
    materialized='touched_groups',
    unique_key=['member_id'],
    meta={
        'touched_by': 'int_members__touched',
    },
) }}

-- depends_on: {{ ref('int_members__touched') }}

with

members as (

    select * from {{ ref('int_members') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

seen as (

    select * from {{ ref('int_members__seen') }}

),

failing as (

    select * from {{ ref('int_members__failing') }}

),

{# An email that went to two addresses of a member is one email. #}
counted as (

    select
        member_id,
        count(distinct email_id) as email_count,
        count(distinct email_id) filter (where is_tracked)
            as tracked_email_count,
        count(distinct email_id) filter (
            where is_tracked and first_opened_at is not null
        ) as email_opened_count,
        count(distinct email_id) filter (
            where is_tracked and first_human_opened_at is not null
        ) as email_opened_by_human_count

    from {{ ref('int_members__recipients') }}

    group by member_id

),

suppressed as (

    select
        account_id,
        recipient_key,
        count(*) filter (where scope = 'all') > 0 as is_unsubscribed,
        count(*) filter (where reason = 'spam') > 0 as has_complained,
        count(*) filter (where reason = 'bounced') > 0 as is_dead

    from {{ ref('fct_suppressions') }}

    where lifted_at is null
        and (account_id, recipient_key) in (
            select
                members.account_id,
                members.recipient_key
            from members
        )

    group by account_id, recipient_key

),

final as (

    select
        members.member_id,
        members.account_id,
        members.email,
        members.recipient_key,
        members.created_at,
        members.is_in_application,
        members.is_deleted,
        coalesce(counted.email_count, 0) as email_count,
        coalesce(counted.tracked_email_count, 0) as tracked_email_count,
        coalesce(counted.email_opened_count, 0) as email_opened_count,
        coalesce(counted.email_opened_by_human_count, 0)
            as email_opened_by_human_count,
        {{ open_rate_of_member(
            'counted.email_opened_count', 'counted.tracked_email_count'
        ) }}
            as email_open_rate,
        {{ open_rate_of_member(
            'counted.email_opened_by_human_count', 'counted.tracked_email_count'
        ) }}
            as email_human_open_rate,
        seen.last_seen_at,
        accounts.reporting_timezone,
        not coalesce(suppressed.is_unsubscribed, false) as is_subscribed,
        suppressed.account_id is not null as is_suppressed,
        case
            when suppressed.has_complained then 'complained'
            when suppressed.is_dead then 'dead'
            when failing.temporary_failures >= 3 then 'soft_bouncing'
            else 'ok'
        end as address_status

    from members

    left join accounts
        on members.account_id = accounts.account_id

    left join counted
        on members.member_id = counted.member_id

    left join suppressed
        on members.account_id = suppressed.account_id
        and members.recipient_key = suppressed.recipient_key

    left join seen
        on members.member_id = seen.member_id

    left join failing
        on members.member_id = failing.member_id

)

select * from final
