{{ config(
    materialized='touched_list',
    meta={
        'touches': 'ops_completeness',
        'fingerprint': ['quality_thresholds'],
    },
) }}

-- depends_on: {{ ref('quality_thresholds') }}

with

arrived_events as (

    select
        domain,
        {{ utc_date('occurred_at') }} as date

    from {{ ref('stg_mailgun__events') }}

    where load_id in {{ arrived('ops_completeness') }}

),

{# A day that the provider tells nothing of has no row. #}
of_told_days as (

    select *

    from arrived_events

    where (domain, date) in (
            select
                stats.domain,
                stats.date
            from {{ ref('stg_tallybook__provider_stats') }} as stats
        )

),

arrived_stats as (

    select
        domain,
        date

    from {{ ref('stg_tallybook__provider_stats') }}

    where load_id in {{ arrived('ops_completeness') }}

),

built as (

    select *
    from {{ already_built('ops_completeness', [
        'domain', 'date', 'is_settled',
    ]) }}

),

{# Whether a day is settled depends on how far the lanes have read.
   They move at every run, so these days are looked at until they are. #}
unsettled as (

    select
        domain,
        date

    from built

    where not is_settled

),

touched as (

    select * from of_told_days
    union
    select * from arrived_stats
    union
    select * from unsettled

)

select * from touched
