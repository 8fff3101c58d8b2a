{#
    Received = loaded + repeated + dead letters, for each request: in its own
    account, and in the rows that are really there. A dead letter that came
    again is `repeated`, as a repeated event is.
#}
with

requests as (

    select requests.*

    from {{ ref('stg_tallybook__requests') }} as requests

    inner join {{ ref('stg_ledger__loads') }} as loads
        on requests.load_id = loads.load_id

),

events as (

    select
        request_id,
        count(*) as rows_there

    from {{ ref('stg_mailgun__events') }}

    group by request_id

),

dead_letters as (

    select
        request_id,
        count(*) as rows_there

    from {{ ref('stg_tallybook__dead_letters') }}

    group by request_id

),

accounts as (

    select
        requests.request_id,
        requests.events as received,
        requests.loaded,
        requests.repeated,
        requests.dead,
        coalesce(events.rows_there, 0) as events_there,
        coalesce(dead_letters.rows_there, 0) as dead_letters_there

    from requests

    left join events
        on requests.request_id = events.request_id

    left join dead_letters
        on requests.request_id = dead_letters.request_id

)

select * from accounts

where received <> loaded + repeated + dead
    or loaded <> events_there
    or dead <> dead_letters_there
