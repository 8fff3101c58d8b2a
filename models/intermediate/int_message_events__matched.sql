{{ config(materialized='ephemeral') }}

with

events as (

    select
        *,
        {{ recipient_key('recipient') }} as recipient_key

    from {{ ref('int_message_events__classified') }}

),

emails as (

    select * from {{ ref('int_emails') }}

),

links as (

    select * from {{ ref('int_message_links') }}

),

learned as (

    select * from {{ ref('int_message_links__learned') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

{# A domain that two accounts send from tells neither. #}
domain_accounts as (

    select
        sending_domain,
        min(account_id) as account_id

    from accounts

    group by sending_domain

    having count(*) = 1

),

{# The application's own id does not fall through: given but unknown, it says
   that the email is not there (yet). A message id that nobody knows goes on to
   the provider's, and what the application wrote down to what was learned. #}
with_email as (

    select
        events.*,
        case
            when events.given_email_id is not null then given.email_id
            when by_message.email_id is not null then by_message.email_id
            when by_provider.email_id is not null then by_provider.email_id
            when by_learned_provider.email_id is not null
                then by_learned_provider.email_id
            when events.provider_message_id is null
                then by_learned_message.email_id
        end as email_id,
        case
            when given.email_id is not null then 'email_id'
            when events.given_email_id is not null then null
            when by_message.email_id is not null then 'message_id'
            when by_provider.email_id is not null then 'provider_message_id'
            when by_learned_provider.email_id is not null
                then 'provider_message_id'
            when events.provider_message_id is null
                and by_learned_message.email_id is not null then 'message_id'
        end as match_method

    from events

    left join emails as given
        on events.given_email_id = given.email_id

    left join links as by_message
        on events.message_id = by_message.message_id

    left join links as by_provider
        on events.provider_message_id = by_provider.message_id

    left join learned as by_learned_provider
        on events.provider_message_id = by_learned_provider.message_id

    left join learned as by_learned_message
        on events.message_id = by_learned_message.message_id

),

recipients as (

    select *
    from {{ email_recipients(is_touched_recipient(
        'fct_message_events', 'with_email'
    )) }}

),

matched as (

    select
        with_email.*,
        recipients.member_id,
        coalesce(emails.account_id, domain_accounts.account_id) as account_id,
        emails.newsletter_id,
        case
            when recipients.email_id is not null then null
            when with_email.email_id is not null then 'unknown_recipient'
            when coalesce(
                    with_email.given_email_id, with_email.message_id,
                    with_email.provider_message_id
                ) is null then 'no_id'
            else 'unknown_email'
        end as unmatched_reason

    from with_email

    left join emails
        on with_email.email_id = emails.email_id

    left join recipients
        on with_email.email_id = recipients.email_id
        and with_email.recipient_key = recipients.recipient_key

    left join domain_accounts
        on with_email.domain = domain_accounts.sending_domain

)

select * from matched
