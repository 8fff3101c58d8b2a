with

metrics as (

    select
        event_name,
        metric,
        counted,
        sums_values,
        label

    from {{ ref('reporting_metrics') }}

)

select * from metrics
