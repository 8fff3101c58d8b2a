with

application as (

    select * from {{ ref('stg_app__accounts') }}

),

settings as (

    select * from {{ ref('stg_tallybook__source_settings') }}

),

in_force as (

    select * from {{ ref('int_settings') }}

),

derived as (

    select
        domains.domain as account_id,
        coalesce(zones.value, 'UTC') as reporting_timezone,
        greatest(domains.load_id, zones.load_id) as load_id

    from (
        select
            unnest(from_json(value, '["VARCHAR"]')) as domain,
            load_id
        from settings
        where source_name = 'mailgun' and setting = 'domains'
    ) as domains

    left join settings as zones
        on zones.source_name = 'mailgun' and zones.setting = 'timezone'

    cross join in_force

    where not in_force.has_application

),

unioned as (

    select
        account_id,
        reporting_timezone,
        sending_domain,
        is_deleted,
        load_id

    from application

    union all

    select
        account_id,
        reporting_timezone,
        account_id as sending_domain,
        false as is_deleted,
        load_id

    from derived

)

select * from unioned
