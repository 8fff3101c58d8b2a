{{ config(
    materialized='touched_groups',
    unique_key=['occurred_at', 'event_key'],
    meta={
        'touched_by': 'int_message_events__touched',
        'partition_by': 'occurred_at',
        'change_columns': [
            'account_id', 'email_id', 'recipient_key', 'event_type',
        ],
    },
) }}

-- depends_on: {{ ref('int_message_events__touched') }}

with

matched as (

    select * from {{ ref('int_message_events__matched') }}

),

final as (

    select
        event_key,
        provider,
        account_id,
        domain,
        provider_event_name,
        event_type,
        severity,
        reject_reason,
        bounce_class,
        occurred_at,
        received_at,
        loaded_at,
        recipient,
        recipient_key,
        message_id,
        provider_message_id,
        event_id,
        given_email_id,
        email_id,
        member_id,
        match_method,
        unmatched_reason,
        case
            when event_type in ('opened', 'clicked') then is_machine
        end as is_machine,
        case
            when event_type in ('opened', 'clicked') then machine_kind
        end as machine_kind,
        url,
        url_offset,
        smtp_code,
        enhanced_code,
        mta_response,
        attempt,
        user_agent,
        ip,
        ip_is_sender,
        tags,
        user_variables,
        case
            when event_type not in ('unsubscribed', 'subscribed') then null
            when subscription_scope is not null then subscription_scope
            when newsletter_id is not null
                then 'newsletter:' || newsletter_id
            else 'all'
        end as scope,
        counts_in_delivery

    from matched

)

select * from final
