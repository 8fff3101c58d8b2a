{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_message_events',
        'rebuilt_with': ['int_email_recipients__derived'],
        'fingerprint': ['event_vocabulary', 'bounce_classes', 'int_settings'],
    },
) }}

-- depends_on: {{ ref('int_email_recipients__derived') }}
-- depends_on: {{ ref('event_vocabulary') }}
-- depends_on: {{ ref('bounce_classes') }}
-- depends_on: {{ ref('int_settings') }}

{# Written out wherever it is read: under one name all of it would be kept in
   memory for the sake of a few rows. -#}
{%- set built = already_built('fct_message_events', [
    'occurred_at',
    'event_key',
    'event_type',
    'domain',
    'account_id',
    'given_email_id',
    'email_id',
    'match_method',
    'message_id',
    'provider_message_id',
    'recipient_key',
    'member_id',
    'unmatched_reason',
]) -%}
{%- set asked = 'message_id in (
            select new_pairs.message_id from new_pairs
            union all
            select new_pairs.provider_message_id from new_pairs
        )' -%}

with

events as (

    select * from {{ ref('int_message_events__unioned') }}

),

app_emails as (

    select * from {{ ref('stg_app__emails') }}
    where load_id in {{ arrived('fct_message_events') }}

),

recipients as (

    select * from {{ ref('stg_app__email_recipients') }}
    where load_id in {{ arrived('fct_message_events') }}

),

batches as (

    select * from {{ ref('stg_app__email_batches') }}
    where load_id in {{ arrived('fct_message_events') }}

),

{# Without an application the settings tell the accounts. #}
arrived_accounts as (

    select load_id from {{ ref('stg_app__accounts') }}
    where load_id in {{ arrived('fct_message_events') }}

    union all

    select load_id from {{ ref('stg_tallybook__source_settings') }}
    where load_id in {{ arrived('fct_message_events') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

arrived_emails as (

    select
        email_id,
        account_id

    from app_emails

),

{# With every spelling of an address: another one may speak now. #}
arrived_recipients as (

    select
        email_id,
        recipient_key,
        member_id
    from {{ ref('stg_app__email_recipients') }}
    where (email_id, recipient_key) in (
            select
                recipients.email_id,
                recipients.recipient_key
            from recipients
        )

),

arrived_links as (

    select
        message_id,
        email_id
    from recipients

    union

    select
        message_id,
        email_id
    from batches

),

new_events as (

    select
        occurred_at,
        event_key,
        message_id,
        provider_message_id

    from events

    where load_id in {{ arrived('fct_message_events') }}

),

by_email as (

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    inner join arrived_emails as emails
        on built.given_email_id = emails.email_id

    where built.email_id is null

    union

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    inner join arrived_emails as emails
        on built.email_id = emails.email_id

    where built.account_id is distinct from emails.account_id
        or built.event_type in ('unsubscribed', 'subscribed')

),

by_recipient as (

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    inner join arrived_recipients as recipients
        on built.email_id = recipients.email_id
        and built.recipient_key = recipients.recipient_key

    where built.unmatched_reason is not null
        or built.member_id is distinct from recipients.member_id

),

by_link as (

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    inner join arrived_links
        on built.message_id = arrived_links.message_id

    where built.given_email_id is null
        and (
            built.email_id is distinct from arrived_links.email_id
            or built.match_method <> 'message_id'
        )

    union

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    inner join arrived_links
        on built.provider_message_id = arrived_links.message_id

    where built.given_email_id is null
        and built.email_id is distinct from arrived_links.email_id

),

{# Message-ID and the provider's own id of one message, from events that carry
   both. #}
new_pairs as (

    select distinct
        message_id,
        provider_message_id

    from new_events

    where message_id is not null
        and provider_message_id is not null

),

links_of_new_pairs as (

    select * from {{ message_links(asked) }}

),

{# Either a pair is new, or the application has written down one of its ids. #}
learned_links as (

    select
        pairs.provider_message_id as message_id,
        links_of_new_pairs.email_id

    from new_pairs as pairs

    inner join links_of_new_pairs
        on pairs.message_id = links_of_new_pairs.message_id

    union

    select
        pairs.message_id,
        links_of_new_pairs.email_id

    from new_pairs as pairs

    inner join links_of_new_pairs
        on pairs.provider_message_id = links_of_new_pairs.message_id

    union

    select
        pairs.provider_message_id,
        arrived_links.email_id

    from {{ built }} as pairs

    inner join arrived_links
        on pairs.message_id = arrived_links.message_id

    where pairs.provider_message_id is not null

    union

    select
        pairs.message_id,
        arrived_links.email_id

    from {{ built }} as pairs

    inner join arrived_links
        on pairs.provider_message_id = arrived_links.message_id

    where pairs.message_id is not null

),

by_learned_link as (

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    inner join learned_links
        on built.provider_message_id = learned_links.message_id

    where built.given_email_id is null
        and built.email_id is distinct from learned_links.email_id

    union

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    inner join learned_links
        on built.message_id = learned_links.message_id

    where built.given_email_id is null
        and built.provider_message_id is null
        and built.email_id is distinct from learned_links.email_id

),

{# Read where they lie, so that only these emails' rows are read. #}
links_of_emails as (

    select
        message_id,
        email_id
    from {{ ref('stg_app__email_recipients') }}
    where email_id in (
            select arrived_recipients.email_id from arrived_recipients
        )

    union

    select
        message_id,
        email_id
    from {{ ref('stg_app__email_batches') }}
    where email_id in (
            select arrived_recipients.email_id from arrived_recipients
        )

),

learned_links_of_emails as (

    select
        pairs.provider_message_id as message_id,
        links_of_emails.email_id

    from {{ built }} as pairs

    inner join links_of_emails
        on pairs.message_id = links_of_emails.message_id

    where pairs.provider_message_id is not null

    union

    select
        pairs.message_id,
        links_of_emails.email_id

    from {{ built }} as pairs

    inner join links_of_emails
        on pairs.provider_message_id = links_of_emails.message_id

    where pairs.message_id is not null

),

{# A recipient that was given another message id takes the old one away, from
   whomever it stood for: written down for it, or learned. #}
by_lost_link as (

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    left join links_of_emails
        on built.email_id = links_of_emails.email_id
        and links_of_emails.message_id = case built.match_method
            when 'message_id' then built.message_id
            else built.provider_message_id
        end

    left join learned_links_of_emails
        on built.email_id = learned_links_of_emails.email_id
        and learned_links_of_emails.message_id = case
            when built.match_method = 'provider_message_id'
                then built.provider_message_id
            when built.provider_message_id is null then built.message_id
        end

    where built.match_method <> 'email_id'
        and links_of_emails.email_id is null
        and learned_links_of_emails.email_id is null
        and built.email_id in (
            select arrived_recipients.email_id from arrived_recipients
        )

),

domain_accounts as (

    select
        sending_domain,
        min(account_id) as account_id

    from accounts

    group by sending_domain

    having count(*) = 1

),

{# Accounts that came, went or changed domains tell anew where events without
   an email's account belong. #}
by_domain as (

    select
        built.occurred_at,
        built.event_key,
        built.message_id,
        built.provider_message_id

    from {{ built }} as built

    left join domain_accounts
        on built.domain = domain_accounts.sending_domain

    where {{ has_arrived(
            'fct_message_events',
            ['stg_app__accounts', 'stg_tallybook__source_settings']
        ) }}
        and built.account_id is distinct from domain_accounts.account_id
        and (
            built.email_id is null
            or built.email_id not in (
                select emails.email_id
                from {{ emails('exists (select 1 from arrived_accounts)') }}
                    as emails
                where emails.account_id is not null
            )
        )

),

by_told as (

    select * from {{ events_of_told_messages(built) }}

),

touched as (

    select * from new_events
    union
    select * from by_told
    union
    select * from by_email
    union
    select * from by_recipient
    union
    select * from by_link
    union
    select * from by_learned_link
    union
    select * from by_lost_link
    union
    select * from by_domain

)

select * from touched
