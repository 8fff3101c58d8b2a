{{ config(materialized='ephemeral') }}

{# The touched members: the application's, and those whom only mail names, as
   the newest of it does. #}
with

application as (

    select * from {{ ref('stg_app__members') }}

    where {{ is_touched(
        'dim_members', ref('int_members__touched'), ['member_id']
    ) }}

),

recipients as (

    select * from {{ ref('int_members__recipients') }}

),

mailed as (

    select
        recipients.*,
        row_number() over (
            partition by recipients.member_id
            order by
                recipients.sent_at desc nulls last, recipients.email_id desc,
                recipients.recipient_key desc
        ) as age

    from recipients

    left join application
        on recipients.member_id = application.member_id

    where application.member_id is null

),

unioned as (

    select
        member_id,
        account_id,
        email,
        recipient_key,
        created_at,
        true as is_in_application,
        is_deleted

    from application

    union all

    select
        member_id,
        account_id,
        recipient as email,
        recipient_key,
        null as created_at,
        false as is_in_application,
        false as is_deleted

    from mailed

    where age = 1

)

select * from unioned
