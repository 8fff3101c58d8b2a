with

settings as (

    select * from {{ ref('stg_tallybook__source_settings') }}

),

accounts as (

    select * from {{ ref('stg_app__accounts') }}

),

emails as (

    select * from {{ ref('stg_app__emails') }}

),

recipients as (

    select * from {{ ref('stg_app__email_recipients') }}

),

{# How events are matched depends on these as a whole: when one of them
   changes, every match is made again. #}
in_force as (

    select
        (
            exists (select 1 from accounts)
            or exists (select 1 from emails)
            or exists (select 1 from recipients)
        ) as has_application,
        (
            select
                {{ joined("source_name || ' ' || value", 'source_name') }}
            from settings
            where setting = 'email_id_variables'
        ) as email_id_variables

)

select * from in_force
