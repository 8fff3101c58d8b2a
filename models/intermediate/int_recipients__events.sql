{{ config(materialized='ephemeral') }}

{# What decides between deferrals, temporary bounces and deliveries is the
   latest, and at the same instant the later stage of life: both in one
   number, four steps to the microsecond. #}
{%- set decides = epoch_us('occurred_at') ~ ' * 4 + stage' -%}

{# The failure that is told of goes along with its event: events that were asked
   for once more would be kept, all of them. #}
{%- set failure = record([
    'event_key', 'severity', 'smtp_code', 'enhanced_code', 'mta_response',
    'reject_reason', 'bounce_class',
]) -%}
{%- set order = ordering(['occurred_at', 'received_at', 'event_key']) -%}

with

events as (

    select
        *,
        case
            when event_type = 'deferred' then 1
            when event_type = 'bounced' and severity = 'temporary' then 2
            when event_type = 'delivered' then 3
        end as stage,
        severity = 'permanent' as is_permanent

    from {{ ref('fct_message_events') }}

    where unmatched_reason is null
        and {{ is_touched(
            'fct_recipient_status',
            ref('int_recipients__touched'),
            ['email_id', 'recipient_key'],
        ) }}

),

summed as (

    select
        email_id as event_email_id,
        recipient_key as event_recipient_key,
        max(provider) as provider,
        min(message_id) as event_message_id,
        min(occurred_at) filter (where event_type = 'queued') as queued_at,
        min(occurred_at) filter (where event_type = 'delivered')
            as delivered_at,
        min(occurred_at) filter (where event_type = 'opened')
            as first_opened_at,
        min(occurred_at) filter (
            where event_type = 'opened' and is_machine is not true
        ) as first_human_opened_at,
        max(occurred_at) filter (where event_type = 'opened')
            as last_opened_at,
        min(occurred_at) filter (where event_type = 'clicked')
            as first_clicked_at,
        max(occurred_at) filter (
            where event_type in ('opened', 'clicked')
            and is_machine is not true
        ) as last_engaged_at,
        min(occurred_at) filter (where event_type = 'complained')
            as complained_at,
        min(occurred_at) filter (where event_type = 'unsubscribed')
            as unsubscribed_at,
        min(occurred_at) filter (
            where event_type = 'bounced' and is_permanent
        ) as bounced_at,
        min(occurred_at) filter (where event_type = 'rejected')
            as rejected_at,
        count(*) filter (where event_type = 'opened') as open_events,
        count(*) filter (where event_type = 'clicked') as click_events,
        count(*) filter (where event_type = 'deferred') as deferrals,
        count(*) filter (where event_type = 'bounced') > 0 as was_bounced,
        max({{ decides }}) % 4 as last_stage,
        {{ from_epoch_us(whole_part('max(' ~ decides ~ ')', 4)) }}
            as last_stage_at,
        coalesce(
            min_by({{ failure }}, {{ order }}) filter (
                where event_type in ('bounced', 'rejected') and is_permanent
            ),
            max_by({{ failure }}, {{ order }}) filter (
                where event_type in ('bounced', 'deferred')
                and not is_permanent
            )
        ) as failure

    from events

    group by email_id, recipient_key

),

with_failure as (

    select
        summed.event_email_id,
        summed.event_recipient_key,
        summed.provider,
        summed.event_message_id,
        summed.queued_at,
        summed.delivered_at,
        summed.first_opened_at,
        summed.first_human_opened_at,
        summed.last_opened_at,
        summed.first_clicked_at,
        summed.last_engaged_at,
        summed.complained_at,
        summed.unsubscribed_at,
        summed.bounced_at,
        summed.rejected_at,
        summed.open_events,
        summed.click_events,
        summed.deferrals,
        summed.was_bounced,
        summed.last_stage,
        summed.last_stage_at,
        summed.failure.event_key as failure_event_key,
        summed.failure.severity as failure_severity,
        summed.failure.smtp_code as failure_code,
        summed.failure.enhanced_code as failure_enhanced_code,
        coalesce(
            summed.failure.mta_response,
            'Error ' || coalesce(
                summed.failure.enhanced_code,
                cast(summed.failure.smtp_code as string)
            )
        ) as failure_message,
        summed.failure.reject_reason,
        summed.failure.bounce_class

    from summed

)

select * from with_failure
