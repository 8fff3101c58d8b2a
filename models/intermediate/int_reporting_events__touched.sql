{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_reporting_events',
    },
) }}

{%- do check_local_days() %}
{%- set days_began = run_query(
    "select min(starts_at), max(ends_at) from " ~ ref('int_local_days')
    ~ " where load_id in " ~ arrived('fct_reporting_events')
).rows[0] if execute else [none, none] %}
{%- set built = already_built('fct_reporting_events', [
    'created_at', 'event_id', 'account_id', 'date', 'reporting_timezone',
]) %}

with

{# The events and what is built of them are read where they are asked for: an
   engine would keep what is read twice, whole. #}
accounts as (

    select * from {{ ref('stg_app__accounts') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

arrived_events as (

    select
        created_at,
        event_id,
        is_deleted

    from {{ ref('stg_app__reporting_events') }}

    where load_id in {{ arrived('fct_reporting_events') }}

),

{# Where an event that has arrived again was counted before. #}
held as (

    select
        built.created_at,
        built.event_id

    from {{ built }} as built

    where built.event_id in (
            select arrived_events.event_id from arrived_events
        )

),

arrived_with_reason as (

    select
        arrived_events.created_at,
        held.created_at as held_at,
        arrived_events.event_id,
        case
            when held.event_id is null then 'new events'
            when arrived_events.is_deleted then 'deleted events'
            else 'changed events'
        end as reason

    from arrived_events

    left join held
        on arrived_events.event_id = held.event_id

),

arrived_accounts as (

    select
        account_id,
        reporting_timezone

    from accounts

    where load_id in {{ arrived('fct_reporting_events') }}

),

{# Of accounts that came or changed: each event that isn't drawn in the zone of
   now. A build may have drawn some of them before it took the account. #}
redrawn as (

    select
        events.created_at,
        events.event_id

    from {{ ref('stg_app__reporting_events') }} as events

    inner join arrived_accounts
        on events.account_id = arrived_accounts.account_id

    left join {{ built }} as built
        on events.event_id = built.event_id
        and arrived_accounts.reporting_timezone = built.reporting_timezone

    where built.event_id is null

    union

    select
        built.created_at,
        built.event_id

    from {{ built }} as built

    inner join arrived_accounts
        on built.account_id = arrived_accounts.account_id
        and built.reporting_timezone
        is distinct from arrived_accounts.reporting_timezone

),

{# Days of zones that were loaded since: first seen, or of newer tzdata. #}
of_new_days as (

    select
        events.created_at,
        events.event_id

    from {{ ref('stg_app__reporting_events') }} as events

    inner join accounts
        on events.account_id = accounts.account_id

    inner join local_days
        on accounts.reporting_timezone = local_days.timezone
        and {{ utc_day('events.created_at') }} = local_days.utc_day
        and events.created_at >= local_days.starts_at
        and events.created_at < local_days.ends_at

    where local_days.load_id in {{ arrived('fct_reporting_events') }}
    {%- if days_began[0] is not none %}
        and events.created_at >= {{ instant(days_began[0]) }}
        and events.created_at < {{ instant(days_began[1]) }}
    {%- endif %}

),

asked_for as (

    select * from {{ requested_days('fct_reporting_events') }}

),

of_asked_days as (

    select
        built.created_at,
        built.event_id

    from {{ built }} as built

    inner join asked_for
        on built.account_id = asked_for.account_id
        and built.date = asked_for.date

    union

    select
        events.created_at,
        events.event_id

    from {{ ref('stg_app__reporting_events') }} as events

    inner join accounts
        on events.account_id = accounts.account_id

    inner join asked_for
        on accounts.account_id = asked_for.account_id

    inner join local_days
        on accounts.reporting_timezone = local_days.timezone
        and asked_for.date = local_days.local_date
        and events.created_at >= local_days.starts_at
        and events.created_at < local_days.ends_at

),

touched as (

    select
        created_at,
        event_id,
        reason
    from arrived_with_reason

    union

    select
        held_at as created_at,
        event_id,
        reason
    from arrived_with_reason
    where held_at is not null

    union

    select
        created_at,
        event_id,
        'another time zone' as reason
    from redrawn

    union

    select
        created_at,
        event_id,
        'new time zone data' as reason
    from of_new_days

    union

    select
        created_at,
        event_id,
        'asked for' as reason
    from of_asked_days

)

select * from touched
