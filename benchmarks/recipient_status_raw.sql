-- Raw rows for recipient_status.py and tick.py: recipients with some events of 1.1 KB
-- each, some of them to an email, and the application that sent it. An email's id begins
-- with its time, as Ghost's do.
create or replace temp macro email_id(n) as
    printf('%08x', 1_772_323_200 + n * 1_234) || left(md5(n::varchar), 16);
create or replace temp macro message_id(n) as
    strftime(timestamp '2026-03-01' + to_seconds(n * 1_234), '%Y%m%d%H%M%S.')
    || left(md5(n::varchar), 16) || '@mail.example.com';
insert into raw.mailgun_events
with recipients as (
    select
        i,
        i // $each as email,
        'reader-' || i || '@' || ['gmail.com', 'outlook.com', 'example.org'][1 + i % 3]
            as recipient,
        timestamptz '2026-03-01 00:00:00+00' + to_microseconds(i::bigint * 1_234_567)
            as sent_at
    from range($first, $recipients) as t (i)
),
events as (
    select
        *,
        n,
        sent_at + to_microseconds(n * 3_456_789) as occurred_at,
        case when n = 0 then 'accepted'
            when n = 2 then 'opened'
            when n = 3 then 'clicked'
            when i % 20 = 0 then 'failed'
            when i % 3 = 0 then 'opened'
            else 'delivered' end as name,
        substr(md5(i || '-' || n), 1, 22) as id
    from recipients, range($of_each) as u (n)
)
select
    'mailgun:mail.example.com:' || occurred_at::date || ':' || id,
    'mail.example.com', id, name, occurred_at, occurred_at, 'latest', 'bench', 0,
    '{"id":"' || id || '","event":"' || name || '","timestamp":'
    || epoch_us(occurred_at) / 1e6 || ',"log-level":"info","recipient":"' || recipient
    || '","recipient-domain":"example.org","method":"smtp","envelope":{"transport":"smtp",'
    || '"sender":"news@mail.example.com","sending-ip":"192.0.2.' || i % 250
    || '","targets":"' || recipient || '"},"message":{"headers":{"to":"' || recipient
    || '","message-id":"' || message_id(email) || '","from":"News '
    || '<news@mail.example.com>","subject":"Issue ' || email || '"},"attachments":[],'
    || '"recipients":["' || recipient || '"],"size":' || 20000 + i % 5000
    || '},"storage":{"url":"https://storage.example.com/v3/domains/mail.example.com/'
    || 'messages/' || md5(i::varchar) || md5((i + 1)::varchar) || '","key":"'
    || md5(i::varchar) || md5((i + 1)::varchar) || '","region":"us-east-1"},'
    || case name when 'failed' then '"severity":"'
            || case when i % 40 = 0 then 'permanent' else 'temporary' end
            || '","reason":"generic","delivery-status":{"code":550,"enhanced-code":'
            || '"5.1.1","message":"5.1.1 The email account that you tried to reach does '
            || 'not exist","description":"","mx-host":"mx.example.org","attempt-no":1},'
        when 'opened' then '"ip":"198.51.100.' || i % 250 || '","client-info":{"bot":"'
            || case when i % 2 = 0 then 'apple' else '' end || '","user-agent":"Mozilla/5.0 '
            || '(Windows NT 5.1; rv:11.0) Gecko Firefox/11.0","client-os":'
            || '"Windows"},'
        else '"delivery-status":{"code":250,"message":"OK","description":"",'
            || '"mx-host":"mx.example.org","attempt-no":1,"session-seconds":0.43,'
            || '"tls":true},' end
    || '"tags":["newsletter","issue-' || email || '"],"campaigns":[],"user-variables":'
    || '{"email-id":"' || email_id(email) || '"},"flags":{"is-routed":false,'
    || '"is-authenticated":true,"is-system-test":false,"is-test-mode":false},"pad":"'
    || repeat(md5(id), 4) || '"}',
    '1.5'
from events
order by occurred_at;

insert into raw.app_accounts
select 'account', 'Bench', 'America/New_York', 'monday', 'mail.example.com',
    now(), null, '1.5';
insert into raw.app_emails
select email_id(e), 'account', null, 'Issue ' || e, 'newsletter', true,
    timestamptz '2026-03-01 00:00:00+00', now(), null, '1.5'
from range(($recipients + $each - 1) // $each) as t (e);
insert into raw.app_email_batches
select message_id(e), email_id(e), now(), null, '1.5'
from range(($recipients + $each - 1) // $each) as t (e);
insert into raw.app_email_recipients
select email_id(i // $each), 'member-' || i,
    'reader-' || i || '@' || ['gmail.com', 'outlook.com', 'example.org'][1 + i % 3],
    null, timestamptz '2026-03-01 00:00:00+00' + to_microseconds(i::bigint * 1_234_567),
    now(), null, '1.5'
from range($recipients) as t (i);
insert into raw.time_zone_days
select 'America/New_York', d, (d || ' 00:00:00 America/New_York')::timestamptz,
    ((d + 1) || ' 00:00:00 America/New_York')::timestamptz, '1.5'
from (select unnest(range(date '2026-02-01', date '2027-06-01', interval 1 day))::date)
    as t (d);
insert into raw._dlt_loads values ('1.5', 'bench', 0, now(), 'x');
