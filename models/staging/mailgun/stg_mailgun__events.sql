{%- set email_id_variables = variable_fields('user-variables', fromjson(
    source_setting('mailgun', 'email_id_variables', '["email-id", "email_id"]')
)) -%}
{%- set fields = {
    'severity': '$.severity',
    'reason': '$.reason',
    'recipient': '$.recipient',
    'first_recipient': '$.message.recipients[0]',
    'to_header': '$.message.headers.to',
    'message_id': '$.message.headers."message-id"',
    'subject': '$.message.headers.subject',
    'code': '$."delivery-status".code',
    'enhanced_code': '$."delivery-status"."enhanced-code"',
    'message': '$."delivery-status".message',
    'description': '$."delivery-status".description',
    'attempt': '$."delivery-status"."attempt-no"',
    'reject_reason': '$.reject.reason',
    'bot': '$."client-info".bot',
    'user_agent': '$."client-info"."user-agent"',
    'recipient_ip': '$.ip',
    'sending_ip': '$.envelope."sending-ip"',
    'url': '$.url',
    'tags': '$.tags',
    'user_variables': '$."user-variables"',
} -%}
{%- do fields.update(email_id_variables) -%}

with

source as (

    select
        *,
        {{ json_values('payload', fields) }}

    from {{ source('raw', 'mailgun_events') }}

),

renamed as (

    select
        ---------- ids
        event_key,
        event_id,
        {{ message_id(json_field(fields, 'message_id')) }} as message_id,
        cast(null as string) as provider_message_id,
        coalesce(
            {%- for variable in email_id_variables %}
            {{ json_field(fields, variable) }},
            {%- endfor %}
            null
        ) as given_email_id,
        request_id,
        _dlt_load_id as load_id,

        ---------- strings
        'mailgun' as provider,
        domain,
        event_name as provider_event_name,
        'reason=' || {{ json_field(fields, 'reason') }} as reason_condition,
        'severity=' || {{ json_field(fields, 'severity') }}
            as severity_condition,
        cast(null as string) as bounce_word,
        {# coalesce() would search the header of every event. #}
        case
            when {{ json_field(fields, 'recipient') }} is not null
                then {{ json_field(fields, 'recipient') }}
            when {{ json_field(fields, 'first_recipient') }} is not null
                then {{ json_field(fields, 'first_recipient') }}
            else {{ first_address(json_field(fields, 'to_header')) }}
        end as recipient,
        {{ json_field(fields, 'subject') }} as subject,
        {{ json_field(fields, 'url') }} as url,
        cast(null as string) as url_offset,
        {{ json_field(fields, 'enhanced_code') }} as enhanced_code,
        left(coalesce(
            {{ json_field(fields, 'message') }},
            {{ json_field(fields, 'description') }},
            {{ json_field(fields, 'reject_reason') }}
        ), 2000) as mta_response,
        {{ json_field(fields, 'user_agent') }} as user_agent,
        coalesce(
            {{ json_field(fields, 'recipient_ip') }},
            {{ json_field(fields, 'sending_ip') }}
        ) as ip,
        {{ json_field(fields, 'bot') }} as machine_kind,
        {{ json_field(fields, 'tags') }} as tags,
        {{ json_field(fields, 'user_variables') }} as user_variables,
        cast(null as string) as subscription_scope,

        ---------- numerics
        try_cast({{ json_field(fields, 'code') }} as integer) as smtp_code,
        try_cast({{ json_field(fields, 'attempt') }} as integer) as attempt,

        ---------- booleans
        {{ json_field(fields, 'recipient_ip') }} is null
        and {{ json_field(fields, 'sending_ip') }} is not null as ip_is_sender,
        {# Absent says that Mailgun doesn't know; empty, that it was no bot. #}
        {{ json_field(fields, 'bot', keep_empty=true) }} <> ''
            as is_machine,

        ---------- timestamps
        occurred_at,
        received_at

    from source

)

select * from renamed
