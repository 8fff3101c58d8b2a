{#
    Received = loaded + repeated + dead letters, for each request and each day of
    receipt: in the request's own account, and in the rows that are really there.
    A dead letter that came again is `repeated`, as a repeated event is.

    At most builds only the loads that came since this test last passed: a load
    brings a request together with its rows, and nobody changes them later.
#}
-- depends_on: {{ ref('stg_ledger__loads') }}

{%- set loads = 'true' if tests_whole([])
    else 'load_id in ' ~ untested_loads() %}

with

events as (

    select
        load_id,
        request_id,
        {{ utc_day('received_at') }} as received_on,
        count(*) as rows_there

    from {{ ref('int_message_events__unioned') }}

    where {{ loads }}

    group by load_id, request_id, received_on

),

dead_letters as (

    select
        load_id,
        request_id,
        {{ utc_day('received_at') }} as received_on,
        count(*) as rows_there

    from {{ ref('stg_tallybook__dead_letters') }}

    where {{ loads }}

    group by load_id, request_id, received_on

),

requests as (

    select
        load_id,
        request_id,
        {{ utc_day('received_at') }} as received_on,
        count(*) as rows_there,
        sum(events) as received,
        sum(loaded) as loaded,
        sum(repeated) as repeated,
        sum(dead) as dead

    from {{ ref('stg_tallybook__requests') }}

    where {{ loads }}
        and load_id in (
            select loads.load_id from {{ ref('stg_ledger__loads') }} as loads
        )

    group by load_id, request_id, received_on

),

accounts as (

    select
        requests.request_id,
        requests.received_on,
        requests.rows_there as requests_there,
        requests.received,
        requests.loaded,
        requests.repeated,
        requests.dead,
        coalesce(events.rows_there, 0) as events_there,
        coalesce(dead_letters.rows_there, 0) as dead_letters_there

    from requests

    left join events
        on requests.load_id = events.load_id
        and requests.request_id = events.request_id
        and requests.received_on = events.received_on

    left join dead_letters
        on requests.load_id = dead_letters.load_id
        and requests.request_id = dead_letters.request_id
        and requests.received_on = dead_letters.received_on

)

select * from accounts

where received <> loaded + repeated + dead
    or loaded <> events_there
    or dead <> dead_letters_there
    or requests_there <> 1
