{{ config(materialized='ephemeral') }}

with

recipients as (

    select * from {{ ref('stg_app__email_recipients') }}

),

derived as (

    select * from {{ ref('int_email_recipients__derived') }}

),

batches as (

    select * from {{ ref('stg_app__email_batches') }}

),

{# A message id stands for one recipient's message or for a whole batch. #}
unioned as (

    select
        message_id,
        email_id

    from recipients

    union all

    select
        message_id,
        email_id

    from derived

    union all

    select
        message_id,
        email_id

    from batches

),

{# An id that was given to two emails by mistake is read as the first of them,
   the same one at every build. #}
links as (

    select
        message_id,
        min(email_id) as email_id

    from unioned

    where message_id is not null

    group by message_id

)

select * from links
