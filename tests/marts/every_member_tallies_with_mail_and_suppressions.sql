{#
    Mail that names its member, counted once more: the member has at least that,
    and no more where no mail to the address goes without a name. Who was seen, was
    so within a day of the latest thing that a human did; and nobody is subscribed
    against a suppression of all.

    At most builds only the members who were written, or to whom mail was, since
    this test last passed.
#}
{%- set members = is_untested(
    ['dim_members', 'fct_recipient_status'], ['member_id']
) -%}

with

members as (

    select * from {{ ref('dim_members') }}
    where {{ members }}

),

named as (

    select
        member_id,
        count(distinct email_id) as emails,
        max(last_engaged_at) as last_engaged_at

    from {{ ref('fct_recipient_status') }}

    where member_id is not null
        and {{ members }}

    group by member_id

),

unnamed as (

    select distinct
        account_id,
        recipient_key

    from {{ ref('fct_recipient_status') }}

    where member_id is null
        and (account_id, recipient_key) in (
            select
                members.account_id,
                members.recipient_key
            from members
        )

),

kept_out as (

    select
        account_id,
        recipient_key,
        max(case when scope = 'all' then 1 else 0 end) = 1 as is_from_all

    from {{ ref('fct_suppressions') }}

    where lifted_at is null

    group by account_id, recipient_key

)

select
    coalesce(members.member_id, named.member_id) as member_id,
    named.emails as expected_emails,
    members.email_count as actual_emails

from members

full outer join named
    on members.member_id = named.member_id

left join unnamed
    on members.account_id = unnamed.account_id
    and members.recipient_key = unnamed.recipient_key

left join kept_out
    on members.account_id = kept_out.account_id
    and members.recipient_key = kept_out.recipient_key

where members.member_id is null
    or members.email_count < coalesce(named.emails, 0)
    or (
        unnamed.account_id is null
        and members.email_count <> coalesce(named.emails, 0)
    )
    or members.email_opened_count > members.tracked_email_count
    or members.email_opened_by_human_count > members.email_opened_count
    or (
        unnamed.account_id is null
        and (
            members.last_seen_at > named.last_engaged_at
            or members.last_seen_at
            < named.last_engaged_at - interval '26 hours'
        )
    )
    or members.is_suppressed <> (kept_out.account_id is not null)
    or members.is_subscribed = coalesce(kept_out.is_from_all, false)
