{# One line for each provider, with the same columns in the same order:
   everything further on is the same for all. #}
with

unioned as (

    select * from {{ ref('stg_mailgun__events') }}
    union all
    select * from {{ ref('stg_sendgrid__events') }}
    union all
    select * from {{ ref('stg_postmark__events') }}

)

select * from unioned
