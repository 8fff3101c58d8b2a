{%- set email_id_variables = variable_fields(none, fromjson(
    source_setting('sendgrid', 'email_id_variables', '["email-id", "email_id"]')
)) -%}
{%- set fields = {
    'email': '$.email',
    'smtp_id': '$."smtp-id"',
    'sg_message_id': '$.sg_message_id',
    'type': '$.type',
    'reason': '$.reason',
    'response': '$.response',
    'status': '$.status',
    'bounce_classification': '$.bounce_classification',
    'attempt': '$.attempt',
    'machine_open': '$.sg_machine_open',
    'user_agent': '$.useragent',
    'ip': '$.ip',
    'url': '$.url',
    'url_index': '$.url_offset.index',
    'url_type': '$.url_offset.type',
    'category': '$.category',
    'first_category': '$.category[0]',
    'group': '$.asm_group_id',
} -%}
{%- do fields.update(email_id_variables) -%}

{# What SendGrid writes itself: the rest are the application's own arguments. #}
{%- set own_members = [
    'email', 'timestamp', 'event', 'smtp-id', 'sg_event_id', 'sg_message_id',
    'type', 'reason', 'response', 'status', 'bounce_classification', 'attempt',
    'tls', 'cert_err', 'sg_machine_open', 'sg_content_type', 'useragent', 'ip',
    'url', 'url_offset', 'category', 'asm_group_id', 'pool', 'send_at',
    'sg_template_id', 'sg_template_name', 'marketing_campaign_id',
    'marketing_campaign_name',
] -%}

with

source as (

    select
        *,
        {{ json_values('payload', fields) }}

    from {{ source('raw', 'sendgrid_events') }}

),

renamed as (

    select
        ---------- ids
        event_key,
        event_id,
        {{ message_id(json_field(fields, 'smtp_id')) }} as message_id,
        {{ sendgrid_message_id(json_field(fields, 'sg_message_id')) }}
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
        'sendgrid' as provider,
        domain,
        event_name as provider_event_name,
        'reason=' || {{ json_field(fields, 'reason') }} as reason_condition,
        'type=' || {{ json_field(fields, 'type') }} as severity_condition,
        {{ json_field(fields, 'bounce_classification') }} as bounce_word,
        {{ json_field(fields, 'email') }} as recipient,
        cast(null as string) as subject,
        {{ json_field(fields, 'url') }} as url,
        {{ json_field(fields, 'url_type') }}
        || ':' || {{ json_field(fields, 'url_index') }} as url_offset,
        coalesce(
            {{ json_field(fields, 'status') }},
            {{ enhanced_code(json_field(fields, 'response')) }},
            {{ enhanced_code(json_field(fields, 'reason')) }}
        ) as enhanced_code,
        left(coalesce(
            {{ json_field(fields, 'response') }},
            {{ json_field(fields, 'reason') }}
        ), 2000) as mta_response,
        {{ json_field(fields, 'user_agent') }} as user_agent,
        {{ json_field(fields, 'ip') }} as ip,
        case
            when {{ json_field(fields, 'machine_open') }} = 'true' then 'apple'
        end as machine_kind,
        {# One category is a text, several are an array. #}
        case
            when {{ json_field(fields, 'first_category', keep_empty=true) }}
                is not null then {{ json_field(fields, 'category') }}
            when {{ json_field(fields, 'category') }} <> '[]'
                then {{ json_array_of(json_field(fields, 'category')) }}
        end as tags,
        {{ json_without('payload', own_members) }} as user_variables,
        case
            when event_name in ('group_unsubscribe', 'group_resubscribe')
                {# Without its id it is of some group, and never of all. #}
                then 'group:' || coalesce({{ json_field(fields, 'group') }}, '')
            when event_name = 'unsubscribe' then 'all'
        end as subscription_scope,

        ---------- numerics
        coalesce(
            {{ smtp_code(json_field(fields, 'response')) }},
            {{ smtp_code(json_field(fields, 'reason')) }}
        ) as smtp_code,
        try_cast({{ json_field(fields, 'attempt') }} as integer) as attempt,

        ---------- booleans
        {{ json_field(fields, 'ip') }} is not null
        and event_name in (
            'processed', 'deferred', 'delivered', 'bounce', 'dropped'
        ) as ip_is_sender,
        try_cast({{ json_field(fields, 'machine_open') }} as boolean)
            as is_machine,

        ---------- timestamps
        occurred_at,
        received_at

    from source

)

select * from renamed
