{{ config(
    materialized='touched_list',
    meta={
        'touches': 'dim_members',
        'rebuilt_with': [
            'fct_recipient_status', 'fct_message_events', 'fct_suppressions',
        ],
    },
) }}

-- depends_on: {{ ref('fct_message_events') }}
-- depends_on: {{ ref('fct_suppressions') }}

{%- do check_local_days() %}
{%- set built = already_built('dim_members', [
    'member_id', 'account_id', 'recipient_key', 'reporting_timezone',
]) %}

{# What is built is read where it is asked for: an engine would keep what is
   read twice, whole. #}
with

accounts as (

    select * from {{ ref('int_accounts') }}

),

{# Zones whose days were loaded since: first seen, or of newer tzdata. #}
of_new_days as (

    select distinct timezone
    from {{ ref('int_local_days') }}
    where load_id in {{ arrived('dim_members') }}

),

redrawn as (

    select drawn.account_id

    from (
        select distinct
            built.account_id,
            built.reporting_timezone
        from {{ built }} as built
    ) as drawn

    left join accounts
        on drawn.account_id = accounts.account_id

    where drawn.reporting_timezone
        is distinct from accounts.reporting_timezone
        or accounts.reporting_timezone in (
            select of_new_days.timezone from of_new_days
        )

),

arrived_members as (

    select
        member_id,
        account_id,
        recipient_key
    from {{ ref('stg_app__members') }}
    where load_id in {{ arrived('dim_members') }}

),

{# An event may change what its recipient's row doesn't show; an email, whether
   its opens were tracked. #}
changed_recipients as (

    select
        member_id,
        account_id,
        recipient_key
    from {{ changes('fct_recipient_status', 'dim_members') }}

    union

    select
        member_id,
        account_id,
        recipient_key
    from {{ ref('fct_recipient_status') }}
    where (email_id, recipient_key) in (
            select
                changed.email_id,
                changed.recipient_key
            from {{ changes('fct_message_events', 'dim_members') }} as changed
        )

    union

    select
        member_id,
        account_id,
        recipient_key
    from {{ ref('fct_recipient_status') }}
    where email_id in (
            select emails.email_id
            from {{ ref('stg_app__emails') }} as emails
            where emails.load_id in {{ arrived('dim_members') }}
        )

),

changed_members as (

    select member_id from changed_recipients
    where member_id is not null

    union

    select member_id from arrived_members

    union

    select built.member_id from {{ built }} as built
    where built.account_id in (select redrawn.account_id from redrawn)

),

{# Mail to an address concerns everyone who has it: it may name no member, or
   another one may come to hold it. #}
addresses as (

    select
        account_id,
        recipient_key
    from changed_recipients
    where member_id is null

    union

    select
        account_id,
        recipient_key
    from {{ changes('fct_suppressions', 'dim_members') }}

    union

    select
        account_id,
        recipient_key
    from arrived_members

    union

    select
        built.account_id,
        built.recipient_key
    from {{ built }} as built
    where built.member_id in (
            select changed_members.member_id from changed_members
        )

),

touched as (

    select * from arrived_members

    union

    select
        built.member_id,
        built.account_id,
        built.recipient_key

    from {{ built }} as built

    inner join addresses
        on built.account_id = addresses.account_id
        and built.recipient_key = addresses.recipient_key

    union

    select
        {{ address_member_id('account_id', 'recipient_key') }} as member_id,
        account_id,
        recipient_key
    from addresses

    union

    select
        member_id,
        null as account_id,
        null as recipient_key
    from changed_members

)

select * from touched

where member_id is not null
