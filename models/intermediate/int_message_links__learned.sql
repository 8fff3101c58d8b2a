{{ config(materialized='ephemeral') }}

{# The email that an id stands for, where the application knows only the other
   id of the same message: which two belong together is told by every event that
   carries both, whenever it comes. SendGrid's opens and clicks have but its own.

   Of pairs that are known already only those are read that the events which are
   matched now ask for: by either id, each by itself, since an engine skips
   nothing for the sake of one or the other. #}
{%- set only_touched = touched_only('fct_message_events') -%}
{%- set asked = 'false' if not has_application()
    else 'true' if not only_touched else only_those('message_id in (
            select taught.message_id from taught
            union all
            select taught.provider_message_id from taught
        )') -%}

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

{# An event that lacks one of the two finds nothing further on: asked for here,
   its JSON would be read once more for each of the questions. #}
taught as (

    {%- for id in ['message_id', 'provider_message_id'] if only_touched %}

    select
        message_id,
        provider_message_id

    from {{ already_built(
        'fct_message_events', ['message_id', 'provider_message_id']
    ) }}

    where message_id is not null
        and provider_message_id is not null
        and {{ is_touched(
            'fct_message_events', ref('int_message_events__touched'), [id]
        ) }}

    union
    {%- endfor %}

    select distinct
        events.message_id,
        events.provider_message_id

    from events

    inner join loads
        on events.load_id = loads.load_id

),

links as (

    select *
    from {{ message_links(asked) }}

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
