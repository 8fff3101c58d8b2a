{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_recipient_status',
        'rebuilt_with': ['fct_message_events', 'int_email_recipients__derived'],
    },
) }}

-- depends_on: {{ ref('fct_message_events') }}
-- depends_on: {{ ref('int_email_recipients__derived') }}

with

changed_events as (

    select *
    from {{ changes('fct_message_events', 'fct_recipient_status') }}

),

derived as (

    select *
    from {{ changes('int_email_recipients__derived', 'fct_recipient_status') }}

),

recipients as (

    select * from {{ ref('stg_app__email_recipients') }}
    where load_id in {{ arrived('fct_recipient_status') }}

),

emails as (

    select * from {{ ref('stg_app__emails') }}
    where load_id in {{ arrived('fct_recipient_status') }}

),

all_emails as (

    select *
    from {{ emails('email_id in (select derived.email_id from derived)') }}

),

built as (

    select *
    from {{ already_built(
        'fct_recipient_status', ['email_id', 'recipient_key', 'account_id']
    ) }}

),

recipients_of_emails as (

    select
        email_id,
        recipient_key

    from {{ email_recipients(
        'email_id in (select emails.email_id from emails)'
    ) }}

),

{# A derived email is sent from the first of its domains: a new one may come
   before it. #}
of_other_account as (

    select
        built.email_id,
        built.recipient_key

    from built

    inner join all_emails
        on built.email_id = all_emails.email_id

    where built.account_id is distinct from all_emails.account_id
        and built.email_id in (select derived.email_id from derived)

),

touched as (

    select
        email_id,
        recipient_key
    from changed_events
    where email_id is not null and recipient_key is not null

    union

    select
        email_id,
        recipient_key
    from derived

    union

    select
        email_id,
        recipient_key
    from recipients

    union

    select * from recipients_of_emails

    union

    select * from of_other_account

)

select * from touched
