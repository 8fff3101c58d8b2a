{%- set email_id_variables = variable_fields('Metadata', fromjson(
    source_setting('postmark', 'email_id_variables', '["email-id", "email_id"]')
)) -%}
{%- set fields = {
    'recipient': '$.Recipient',
    'email': '$.Email',
    'message_id': '$.MessageID',
    'type': '$.Type',
    'suppresses': '$.SuppressSending',
    'reason': '$.SuppressionReason',
    'details': '$.Details',
    'description': '$.Description',
    'subject': '$.Subject',
    'user_agent': '$.UserAgent',
    'ip': '$.Geo.IP',
    'url': '$.OriginalLink',
    'url_place': '$.ClickLocation',
    'tag': '$.Tag',
    'metadata': '$.Metadata',
    'stream': '$.MessageStream',
} -%}
{%- do fields.update(email_id_variables) -%}

with

source as (

    select
        *,
        {{ json_values('payload', fields) }}

    from {{ source('raw', 'postmark_events') }}

),

renamed as (

    select
        ---------- ids
        event_key,
        event_id,
        cast(null as string) as message_id,
        {{ message_id(json_field(fields, 'message_id')) }}
            as provider_message_id,
        coalesce(
            {%- for variable in email_id_variables %}
            {{ json_field(fields, variable) }},
            {%- endfor %}
            null
        ) as given_email_id,
        request_id,
        _dlt_load_id as load_id,

        ---------- strings
        'postmark' as provider,
        domain,
        event_name as provider_event_name,
        'reason=' || {{ json_field(fields, 'reason') }} as reason_condition,
        case
            when {{ json_field(fields, 'suppresses') }} is not null
                then 'suppresses=' || {{ json_field(fields, 'suppresses') }}
            else 'type=' || {{ json_field(fields, 'type') }}
        end as severity_condition,
        {{ json_field(fields, 'type') }} as bounce_word,
        coalesce(
            {{ json_field(fields, 'recipient') }},
            {{ json_field(fields, 'email') }}
        ) as recipient,
        {{ json_field(fields, 'subject') }} as subject,
        {{ json_field(fields, 'url') }} as url,
        lower({{ json_field(fields, 'url_place') }}) as url_offset,
        {{ enhanced_code(json_field(fields, 'details')) }} as enhanced_code,
        left(coalesce(
            {{ json_field(fields, 'details') }},
            {{ json_field(fields, 'description') }}
        ), 2000) as mta_response,
        {{ json_field(fields, 'user_agent') }} as user_agent,
        {{ json_field(fields, 'ip') }} as ip,
        cast(null as string) as machine_kind,
        {{ json_array_of(json_field(fields, 'tag')) }} as tags,
        nullif({{ json_field(fields, 'metadata') }}, '{}') as user_variables,
        {# Postmark suppresses an address in one message stream; this is the one
           that every server begins with. #}
        case
            when event_name = 'SubscriptionChange' then 'group:'
                || coalesce({{ json_field(fields, 'stream') }}, 'outbound')
        end as subscription_scope,

        ---------- numerics
        {{ smtp_code(json_field(fields, 'details')) }} as smtp_code,
        cast(null as integer) as attempt,

        ---------- booleans
        false as ip_is_sender,
        cast(null as boolean) as is_machine,

        ---------- timestamps
        occurred_at,
        received_at

    from source

)

select * from renamed
