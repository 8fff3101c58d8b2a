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

domains as (

    select
        source_name,
        {{ json_texts('value') }} as domain,
        load_id

    from settings

    where setting = 'domains'

),

{# A domain may send through several providers; the first zone that one of them
   was given is its zone. #}
derived as (

    select
        domains.domain as account_id,
        coalesce(
            min_by(zones.value, zones.source_name), 'UTC'
        ) as reporting_timezone,
        max(greatest(domains.load_id, zones.load_id)) as load_id

    from domains

    left join settings as zones
        on domains.source_name = zones.source_name
        and zones.setting = 'timezone'

    cross join in_force

    where not in_force.has_application

    group by domains.domain

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
