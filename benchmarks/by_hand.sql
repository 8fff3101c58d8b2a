-- What someone would write who needs these five tables once, from the raw ones:
-- no staging, no ledger, no contracts, no tests. Each statement is as quick as
-- its author could make it.
create schema byhand;

create table byhand.fct_message_events as
with
parsed as (
    select
        *,
        json_extract_string(payload, [
            '$.severity', '$.reason', '$.recipient', '$.message.recipients[0]',
            '$.message.headers.to', '$.message.headers."message-id"',
            '$."delivery-status".code', '$."delivery-status"."enhanced-code"',
            '$."delivery-status".message', '$."delivery-status".description',
            '$."delivery-status"."attempt-no"', '$.reject.reason',
            '$."client-info".bot', '$."client-info"."user-agent"', '$.ip',
            '$.envelope."sending-ip"', '$.url', '$.tags', '$."user-variables"',
            '$."user-variables"."email-id"', '$."user-variables"."email_id"'
        ]) as j
    from raw.mailgun_events
),
named as (
    select
        p.*,
        case when j[3] <> '' then j[3] when j[4] <> '' then j[4]
            else nullif(regexp_extract(
                regexp_replace(j[5], '"(?:[^"\\]|\\.)*"', '', 'g'),
                '[^\s<>,;"]+@[^\s<>,;"]+'), '')
        end as recipient,
        nullif(trim(trim(nullif(j[6], '')), '<>'), '') as message_id,
        coalesce(nullif(j[20], ''), nullif(j[21], '')) as given_email_id,
        try_cast(j[7] as integer) as smtp_code,
        nullif(j[8], '') as enhanced_code,
        coalesce(r.event_type, s.event_type, n.event_type, 'unknown') as event_type,
        case when r.event_type is not null then r.severity
            when s.event_type is not null then s.severity else n.severity end as severity,
        case when r.event_type is not null then r.reject_reason
            when s.event_type is not null then s.reject_reason
            else n.reject_reason end as reject_reason,
        coalesce(r.counts_in_delivery, s.counts_in_delivery, n.counts_in_delivery, false)
            as counts_in_delivery
    from parsed as p
    left join seeds.event_vocabulary as r
        on p.event_name = r.provider_event_name and 'reason=' || nullif(j[2], '') = r.condition
    left join seeds.event_vocabulary as s
        on p.event_name = s.provider_event_name and 'severity=' || nullif(j[1], '') = s.condition
    left join seeds.event_vocabulary as n
        on p.event_name = n.provider_event_name and n.condition is null
),
links as (
    select message_id, min(email_id) as email_id
    from (
        select trim(message_id, '<>') as message_id, email_id
        from raw.app_email_recipients where message_id is not null
        union all
        select trim(provider_message_id, '<>'), email_id from raw.app_email_batches
    )
    group by 1
),
with_email as (
    select
        named.*,
        lower(trim(recipient)) as recipient_key,
        case when given_email_id is not null then g.email_id else l.email_id end as email_id,
        case when g.email_id is not null then 'email_id'
            when given_email_id is null and l.email_id is not null then 'message_id'
        end as match_method
    from named
    left join raw.app_emails as g on given_email_id = g.email_id
    left join links as l on named.message_id = l.message_id
)
select
    w.event_key, 'mailgun' as provider, coalesce(e.account_id, d.account_id) as account_id,
    w.domain, w.event_name as provider_event_name, w.event_type, w.severity,
    w.reject_reason,
    case when w.event_type = 'bounced' then coalesce(
        b1.bounce_class, b2.bounce_class, b3.bounce_class, 'Unclassified') end as bounce_class,
    w.occurred_at, w.received_at, l.inserted_at as loaded_at, w.recipient, w.recipient_key,
    w.message_id, null::varchar as provider_message_id, w.event_id, w.given_email_id,
    w.email_id, r.member_id, w.match_method,
    case when r.email_id is not null then null
        when w.email_id is not null then 'unknown_recipient'
        when coalesce(w.given_email_id, w.message_id) is null then 'no_id'
        else 'unknown_email' end as unmatched_reason,
    case when w.event_type in ('opened', 'clicked') then j[13] <> '' end as is_machine,
    case when w.event_type in ('opened', 'clicked') then nullif(j[13], '') end as machine_kind,
    nullif(j[17], '') as url, w.smtp_code, w.enhanced_code,
    left(coalesce(nullif(j[9], ''), nullif(j[10], ''), nullif(j[12], '')), 2000)
        as mta_response,
    try_cast(j[11] as integer) as attempt, nullif(j[14], '') as user_agent,
    coalesce(nullif(j[15], ''), nullif(j[16], '')) as ip,
    nullif(j[15], '') is null and nullif(j[16], '') is not null as ip_is_sender,
    nullif(j[18], '') as tags, nullif(j[19], '') as user_variables,
    case when w.event_type not in ('unsubscribed', 'subscribed') then null
        when e.newsletter_id is not null then 'newsletter:' || e.newsletter_id
        else 'all' end as scope,
    w.counts_in_delivery
from with_email as w
inner join raw._dlt_loads as l on w._dlt_load_id = l.load_id
left join raw.app_emails as e on w.email_id = e.email_id
left join (
    select email_id, lower(trim(member_email)) as recipient_key, member_id
    from raw.app_email_recipients
) as r on w.email_id = r.email_id and w.recipient_key = r.recipient_key
left join (
    select lower(trim(sending_domain)) as sending_domain, min(account_id) as account_id
    from raw.app_accounts group by 1 having count(*) = 1
) as d on w.domain = d.sending_domain
left join seeds.bounce_classes as b1 on w.enhanced_code = b1.code
left join seeds.bounce_classes as b2
    on regexp_extract(w.enhanced_code, '^\d\.\d+') = b2.code
left join seeds.bounce_classes as b3 on w.smtp_code::varchar = b3.code;

create table byhand.fct_unmatched_events as
select
    event_key, unmatched_reason as reason, provider, account_id, domain,
    provider_event_name, event_type, occurred_at, received_at, recipient, recipient_key,
    given_email_id, message_id, provider_message_id, email_id
from byhand.fct_message_events
where unmatched_reason is not null and event_type <> 'inbound';

create table byhand.fct_recipient_status as
with
summed as (
    select
        email_id, recipient_key, max(provider) as provider, min(message_id) as message_id,
        min(occurred_at) filter (event_type = 'queued') as queued_at,
        min(occurred_at) filter (event_type = 'delivered') as delivered_at,
        min(occurred_at) filter (event_type = 'opened') as first_opened_at,
        min(occurred_at) filter (event_type = 'opened' and is_machine is not true)
            as first_human_opened_at,
        max(occurred_at) filter (event_type = 'opened') as last_opened_at,
        min(occurred_at) filter (event_type = 'clicked') as first_clicked_at,
        max(occurred_at) filter (
            event_type in ('opened', 'clicked') and is_machine is not true
        ) as last_engaged_at,
        min(occurred_at) filter (event_type = 'complained') as complained_at,
        min(occurred_at) filter (event_type = 'unsubscribed') as unsubscribed_at,
        min(occurred_at) filter (event_type = 'bounced' and severity = 'permanent')
            as bounced_at,
        min(occurred_at) filter (event_type = 'rejected') as rejected_at,
        count(*) filter (event_type = 'opened') as open_events,
        count(*) filter (event_type = 'clicked') as click_events,
        count(*) filter (event_type = 'deferred') as deferrals,
        count(*) filter (event_type = 'bounced') as bounces,
        max(epoch_us(occurred_at) * 4 + case event_type
            when 'deferred' then 1 when 'delivered' then 3
            when 'bounced' then case when severity = 'temporary' then 2 end
        end) as decided,
        coalesce(
            arg_min(event_key, row(occurred_at, received_at, event_key)) filter (
                event_type in ('bounced', 'rejected') and severity = 'permanent'),
            arg_max(event_key, row(occurred_at, received_at, event_key)) filter (
                event_type in ('bounced', 'deferred') and severity = 'temporary')
        ) as failure_event_key
    from byhand.fct_message_events
    where unmatched_reason is null
    group by 1, 2
),
failures as (
    select * from byhand.fct_message_events
    where event_type in ('bounced', 'rejected', 'deferred')
),
decided as (
    select
        r.*, lower(trim(r.member_email)) as recipient_key,
        s.* exclude (email_id, recipient_key, message_id), s.message_id as s_message_id,
        e.account_id, e.notification_id, e.deleted_at as e_deleted_at,
        case when bounced_at is not null then 'bounced'
            when rejected_at is not null and delivered_at is null and bounces = 0
                then 'rejected'
            when decided % 4 = 3 then 'delivered' when decided % 4 = 2 then 'bounced'
            when decided % 4 = 1 then 'deferred' when queued_at is not null then 'queued'
            else 'sent' end as delivery_status
    from raw.app_email_recipients as r
    left join raw.app_emails as e on r.email_id = e.email_id
    left join summed as s
        on r.email_id = s.email_id and lower(trim(r.member_email)) = s.recipient_key
)
select
    d.email_id, d.member_id, d.notification_id, d.account_id, d.provider,
    d.member_email as recipient, d.recipient_key,
    coalesce(nullif(trim(trim(d.message_id), '<>'), ''), s_message_id) as message_id,
    sent_at, queued_at, delivered_at, first_opened_at, first_human_opened_at,
    last_opened_at, first_clicked_at, last_engaged_at,
    least(bounced_at, rejected_at) as failed_at,
    complained_at, unsubscribed_at, coalesce(open_events, 0) as open_events,
    coalesce(click_events, 0) as click_events, coalesce(deferrals, 0) as deferrals,
    delivery_status,
    case when complained_at is not null then 'complained'
        when unsubscribed_at is not null then 'unsubscribed'
        when first_clicked_at is not null then 'clicked'
        when first_opened_at is not null then 'opened' else 'none' end as engagement_status,
    delivery_status not in ('bounced', 'rejected') and coalesce(
        delivered_at, first_opened_at, first_clicked_at, complained_at) is not null
        as is_delivered,
    f.severity as failure_severity, f.smtp_code as failure_code,
    f.enhanced_code as failure_enhanced_code,
    coalesce(f.mta_response, 'Error ' || coalesce(f.enhanced_code, f.smtp_code::varchar))
        as failure_message,
    d.failure_event_key, f.reject_reason, f.bounce_class,
    case when bounced_at is not null then bounced_at
        when delivery_status = 'rejected' then rejected_at
        when decided is not null then make_timestamptz(decided // 4)
        else coalesce(queued_at, sent_at) end as status_changed_at,
    d.deleted_at is not null or coalesce(e_deleted_at is not null, false) as is_deleted
from decided as d
left join failures as f
    on d.email_id = f.email_id and d.recipient_key = f.recipient_key
    and d.failure_event_key = f.event_key;

create table byhand.fct_email_performance as
select
    e.email_id, e.account_id, e.notification_id, e.newsletter_id, e.subject,
    e.submitted_at, e.track_opens, e.deleted_at is not null as is_deleted,
    coalesce(sent, 0) as sent, coalesce(attempted, 0) as attempted,
    coalesce(delivered, 0) as delivered, coalesce(delivered_reported, 0) as delivered_reported,
    coalesce(rejected, 0) as rejected, coalesce(failed_permanently, 0) as failed_permanently,
    coalesce(failed_temporarily, 0) as failed_temporarily, coalesce(opened, 0) as opened,
    coalesce(opened_by_human, 0) as opened_by_human, coalesce(clicked, 0) as clicked,
    coalesce(complained, 0) as complained, coalesce(unsubscribed, 0) as unsubscribed,
    coalesce(delivered_opened, 0) as delivered_opened, coalesce(delivered_opened_by_human, 0) as delivered_opened_by_human,
    coalesce(delivered_clicked, 0) as delivered_clicked, coalesce(delivered_complained, 0) as delivered_complained,
    coalesce(delivered_unsubscribed, 0) as delivered_unsubscribed, coalesce(open_events, 0) as open_events,
    coalesce(click_events, 0) as click_events,
    s.delivered / nullif(s.attempted, 0)::double as delivery_rate,
    delivered_opened / nullif(s.delivered, 0)::double as open_rate,
    delivered_opened_by_human / nullif(s.delivered, 0)::double as human_open_rate,
    delivered_clicked / nullif(s.delivered, 0)::double as click_rate,
    delivered_clicked / nullif(delivered_opened, 0)::double as click_to_open_rate,
    delivered_complained / nullif(s.delivered, 0)::double as complaint_rate,
    delivered_unsubscribed / nullif(s.delivered, 0)::double as unsubscribe_rate
from raw.app_emails as e
left join (
    select
        email_id, count(*) as sent,
        count(*) filter (delivery_status <> 'rejected') as attempted,
        count(*) filter (is_delivered) as delivered,
        count(delivered_at) as delivered_reported,
        count(*) filter (delivery_status = 'rejected') as rejected,
        count(*) filter (delivery_status = 'bounced' and failure_severity = 'permanent')
            as failed_permanently,
        count(*) filter (delivery_status in ('bounced', 'deferred')
            and failure_severity = 'temporary' and not is_delivered) as failed_temporarily,
        count(first_opened_at) as opened, count(first_human_opened_at) as opened_by_human,
        count(first_clicked_at) as clicked, count(complained_at) as complained,
        count(unsubscribed_at) as unsubscribed,
        count(first_opened_at) filter (is_delivered) as delivered_opened,
        count(first_human_opened_at) filter (is_delivered) as delivered_opened_by_human,
        count(first_clicked_at) filter (is_delivered) as delivered_clicked,
        count(complained_at) filter (is_delivered) as delivered_complained,
        count(unsubscribed_at) filter (is_delivered) as delivered_unsubscribed,
        sum(open_events)::bigint as open_events, sum(click_events)::bigint as click_events
    from byhand.fct_recipient_status
    group by 1
) as s on e.email_id = s.email_id;

create table byhand.fct_delivery_daily as
select
    m.account_id, z.local_date as date, m.event_type, count(*) as events,
    count(distinct m.recipient_key) as recipients, a.reporting_timezone
from byhand.fct_message_events as m
inner join raw.app_accounts as a on m.account_id = a.account_id
asof inner join raw.time_zone_days as z
    on a.reporting_timezone = z.timezone and m.occurred_at >= z.starts_at
where m.counts_in_delivery and m.occurred_at < z.ends_at
group by all;
