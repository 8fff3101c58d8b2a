with

settings as (

    select * from {{ ref('stg_tallybook__source_settings') }}

),

{# Which account an event is of depends on it: when it changes, all are counted
   again. #}
in_force as (

    select max(value) as account_property

    from settings

    where source_name = 'inbox'
        and setting = 'account_property'

)

select * from in_force
