insert into raw.app_reporting_events by name
select
    cast(100000000 + number as varchar) as event_id,
    'account-' || hash(number, 1) % 20 as account_id,
    [
        'first_response', 'reply_time', 'conversation_resolved',
        'conversation_bot_resolved', 'conversation_bot_handoff'
    ][cast(1 + hash(number, 2) % 5 as bigint)] as name,
    case when hash(number, 3) % 20 > 0 then hash(number, 4) % 1000000 / 100.0 end
        as value,
    case when hash(number, 3) % 20 > 0 then hash(number, 5) % 100000 / 100.0 end
        as value_in_business_hours,
    case when hash(number, 6) % 12 > 0 then 'agent-' || hash(number, 7) % 5 end
        as user_id,
    case when hash(number, 8) % 20 > 0 then 'inbox-' || hash(number, 9) % 5 end
        as inbox_id,
    case when hash(number, 10) % 20 > 0 then 'conversation-' || number // 4 end
        as conversation_id,
    happened_at as created_at,
    happened_at as updated_at,
    $load as _dlt_load_id
from numbers
