{{ config(materialized='ephemeral') }}

with

events as (

    select
        *,
        {{ recipient_key('recipient') }} as recipient_key

    from {{ ref('int_message_events__classified') }}

),

links as (

    select * from {{ message_links(is_touched_id('message_id')) }}

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
linked as (

    select
        events.*,
        coalesce(
            events.given_email_id,
            by_message.email_id,
            by_provider.email_id,
            by_learned_provider.email_id,
            case
                when events.provider_message_id is null
                    then by_learned_message.email_id
            end
        ) as linked_email_id,
        case
            when events.given_email_id is not null then 'email_id'
            when by_message.email_id is not null then 'message_id'
            when by_provider.email_id is not null then 'provider_message_id'
            when by_learned_provider.email_id is not null
                then 'provider_message_id'
            else 'message_id'
        end as linked_by

    from events

    left join links as by_message
        on events.message_id = by_message.message_id

    left join links as by_provider
        on events.provider_message_id = by_provider.message_id

    left join learned as by_learned_provider
        on events.provider_message_id = by_learned_provider.message_id

    left join learned as by_learned_message
        on events.message_id = by_learned_message.message_id

),

emails as (

    select *
    from {{ emails(only_those(is_touched(
        'fct_message_events', 'linked', ['email_id'], ['linked_email_id']
    ))) }}

),

{# What the application wrote down of a message holds before its email is there;
   what events tell of one does not: nobody may have been sent it. #}
with_email as (

    select
        linked.*,
        emails.account_id as email_account_id,
        emails.newsletter_id,
        case
            when emails.email_id is not null
                or ({{ has_application() }} and linked.given_email_id is null)
                then linked.linked_email_id
        end as email_id

    from linked

    left join emails
        on linked.linked_email_id = emails.email_id

),

recipients as (

    select *
    from {{ email_recipients(only_those(is_touched_recipient(
        'fct_message_events', 'with_email'
    ))) }}

),

matched as (

    select
        with_email.*,
        case
            when with_email.email_id is not null then with_email.linked_by
        end as match_method,
        recipients.member_id,
        coalesce(
            with_email.email_account_id, domain_accounts.account_id
        ) as account_id,
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

    left join recipients
        on with_email.email_id = recipients.email_id
        and with_email.recipient_key = recipients.recipient_key

    left join domain_accounts
        on with_email.domain = domain_accounts.sending_domain

)

select * from matched
