{#
    The account-days of a mart of events and of its daily mart that were written
    since the test in hand last passed, as a subquery of account_id and date. An
    event's day is found by searching for its interval, as in nothing that builds.
#}
{% macro changed_days(events, daily) -%}
    (
        select
            accounts.account_id,
            days.local_date as date
        from {{ untested(events) }} as changed
        inner join {{ ref('int_accounts') }} as accounts
            on changed.account_id = accounts.account_id
        {{ nearest() }} inner join (
            select *
            from {{ ref('stg_tallybook__time_zone_days') }}
            where timezone in (
                    select accounts.reporting_timezone
                    from {{ ref('int_accounts') }} as accounts
                )
        ) as days
            on accounts.reporting_timezone = days.timezone
            and changed.occurred_at >= days.starts_at
        where changed.occurred_at < days.ends_at

        union

        select
            account_id,
            date
        from {{ untested(daily) }} as changed
    )
{%- endmacro %}
