{{ config(materialized='ephemeral') }}

{# The email that an id stands for, where the application knows only the other
   id of the same message: which two belong together is told by every event that
   carries both, whenever it comes. SendGrid's opens and clicks have but its own. #}
with

events as (

    select * from {{ ref('int_message_events__unioned') }}
    where {{ is_touched(
        'fct_message_events', arrived('fct_message_events'), ['load_id']
    ) }}

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

built as (

    select *
    from {{ already_built(
        'fct_message_events', ['message_id', 'provider_message_id']
    ) }}
    where {{ touched_only('fct_message_events') }}

),

links as (

    select * from {{ ref('int_message_links') }}

),

{# An event that lacks one of the two finds nothing further on: asked for here,
   its JSON would be read once more for each of the questions. #}
known as (

    select
        events.message_id,
        events.provider_message_id

    from events

    inner join loads
        on events.load_id = loads.load_id

    union all

    select
        message_id,
        provider_message_id

    from built

    where message_id is not null
        and provider_message_id is not null

),

{# What events that are matched now ask for. #}
taught as (

    select distinct
        message_id,
        provider_message_id

    from known

    where {{ is_touched(
        'fct_message_events',
        ref('int_message_events__touched'),
        ['provider_message_id'],
    ) }}
        or {{ is_touched(
            'fct_message_events',
            ref('int_message_events__touched'),
            ['message_id'],
        ) }}

),

found as (

    select
        taught.provider_message_id as message_id,
        links.email_id

    from taught

    inner join links
        on taught.message_id = links.message_id

    union all

    select
        taught.message_id,
        links.email_id

    from taught

    inner join links
        on taught.provider_message_id = links.message_id

),

learned as (

    select
        message_id,
        min(email_id) as email_id

    from found

    group by message_id

)

select * from learned
