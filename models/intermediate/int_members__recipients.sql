{{ config(materialized='ephemeral') }}

{# What was sent to each touched member: by the id that the application wrote
   beside the address; else to whoever holds the address in the account; else the
   address itself is the member. #}
with

emails as (

    select * from {{ ref('stg_app__emails') }}

),

holders as (

    select
        account_id,
        recipient_key,
        member_id,
        row_number() over (
            partition by account_id, recipient_key
            order by is_deleted asc, created_at desc nulls last, member_id asc
        ) as place

    from {{ ref('stg_app__members') }}

    where {{ is_touched(
        'dim_members', ref('int_members__touched'), ['member_id']
    ) }}

),

by_id as (

    select * from {{ ref('fct_recipient_status') }}

    where member_id is not null
        and {{ is_touched(
            'dim_members', ref('int_members__touched'), ['member_id']
        ) }}

),

by_address as (

    select * from {{ ref('fct_recipient_status') }}

    where member_id is null
        and account_id is not null
        and {{ is_touched(
            'dim_members',
            ref('int_members__touched'),
            ['account_id', 'recipient_key'],
        ) }}

),

unioned as (

    select
        *,
        member_id as owner_id
    from by_id

    union all

    select
        by_address.*,
        coalesce(
            holders.member_id,
            {{ address_member_id(
                'by_address.account_id', 'by_address.recipient_key'
            ) }}
        ) as owner_id

    from by_address

    left join holders
        on by_address.account_id = holders.account_id
        and by_address.recipient_key = holders.recipient_key
        and holders.place = 1

),

{# What doesn't say whether its opens are tracked counts as tracked: without an
   application nothing says so. #}
recipients as (

    select
        unioned.owner_id as member_id,
        unioned.email_id,
        unioned.account_id,
        unioned.recipient,
        unioned.recipient_key,
        unioned.sent_at,
        unioned.first_opened_at,
        unioned.first_human_opened_at,
        unioned.last_engaged_at,
        unioned.delivery_status,
        unioned.deferrals,
        unioned.status_changed_at,
        coalesce(emails.track_opens, true) as is_tracked

    from unioned

    left join emails
        on unioned.email_id = emails.email_id

)

select * from recipients
