with

mailgun as (

    select * from {{ ref('stg_mailgun__events') }}

),

vocabulary as (

    select * from {{ ref('event_vocabulary') }}

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

accepted as (

    select
        mailgun.event_key,
        mailgun.load_id,
        coalesce(mailgun.given_email_id, mailgun.message_id) as email_id,
        mailgun.domain as account_id,
        mailgun.recipient,
        {{ recipient_key('mailgun.recipient') }} as recipient_key,
        mailgun.message_id,
        mailgun.subject,
        mailgun.occurred_at,
        loads.change_number as load_number

    from mailgun

    inner join vocabulary
        on mailgun.provider = vocabulary.provider
        and mailgun.provider_event_name = vocabulary.provider_event_name
        and vocabulary.event_type = 'queued'

    inner join loads
        on mailgun.load_id = loads.load_id

    {# With an application's database nothing is derived. #}
    where not {{ has_application() }}
        and mailgun.recipient is not null

)

select * from accepted

where email_id is not null
