{#
    The account-days that somebody asked to have built again since a model last
    took (tallybook build --rebuild), as a subquery of account_id and date.
#}
{% macro requested_days(model_name) -%}
    {%- set through = taken_through(model_name) -%}
    (
        select distinct
            account_id,
            {{ each_date('from_date', 'to_date') }} as date
        from ledger.requested_days
        where change_number > {{ through }} and {{ through }} > 0
    )
{%- endmacro %}
