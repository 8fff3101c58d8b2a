with

application as (

    select * from {{ ref('stg_app__email_recipients') }}

),

derived as (

    select * from {{ ref('int_email_recipients__derived') }}

),

{# One recipient may be written twice in differing capitals; the row that the
   application changed last speaks, and any row that is left keeps it. #}
newest as (

    select
        *,
        row_number() over (
            partition by email_id, recipient_key
            order by
                is_deleted asc, updated_at desc nulls last, recipient asc
        ) as place

    from application

),

unioned as (

    select
        email_id,
        recipient_key,
        recipient,
        member_id,
        message_id,
        sent_at,
        is_deleted

    from newest

    where place = 1

    union all

    select
        email_id,
        recipient_key,
        recipient,
        cast(null as varchar) as member_id,
        message_id,
        sent_at,
        false as is_deleted

    from derived

)

select * from unioned
