{{ config(materialized='ephemeral') }}

with

events as (

    select * from {{ ref('int_message_events__committed') }}

),

vocabulary as (

    select
        *,
        coalesce(condition, '') as met_by

    from {{ ref('event_vocabulary') }}

),

bounce_classes as (

    select * from {{ ref('bounce_classes') }}

),

named as (

    select
        events.*,
        coalesce({{ by_condition('event_type') }}, 'unknown') as event_type,
        {{ by_condition('severity') }} as severity,
        {{ by_condition('reject_reason') }} as reject_reason,
        coalesce(
            {{ by_condition('counts_in_delivery') }}, false
        ) as counts_in_delivery

    from events

    left join vocabulary as by_reason
        on events.provider = by_reason.provider
        and events.provider_event_name = by_reason.provider_event_name
        and events.reason_condition = by_reason.met_by

    left join vocabulary as by_severity
        on events.provider = by_severity.provider
        and events.provider_event_name = by_severity.provider_event_name
        and events.severity_condition = by_severity.met_by

    left join vocabulary as by_name
        on events.provider = by_name.provider
        and events.provider_event_name = by_name.provider_event_name
        and by_name.met_by = ''

),

classified as (

    select
        named.*,
        case when named.event_type = 'bounced' then coalesce(
                    by_word.bounce_class, by_code.bounce_class,
                    by_family.bounce_class, by_smtp_code.bounce_class,
                    'Unclassified'
                )
        end as bounce_class

    from named

    left join bounce_classes as by_word
        on named.bounce_word = by_word.code

    left join bounce_classes as by_code
        on named.enhanced_code = by_code.code

    left join bounce_classes as by_family
        on regexp_extract(named.enhanced_code, '^\d\.\d+', 0) = by_family.code

    left join bounce_classes as by_smtp_code
        on cast(named.smtp_code as string) = by_smtp_code.code

)

select * from classified
