{#
    Says at the end of a run which accounts and days it built again and why, for
    whoever runs plain dbt.
#}
{% macro say_rebuilt_days() -%}
    {%- if execute %}
    {%- for row in run_query("
        select
            model, account_id, count(*), min(date), max(date),
            " ~ joined('reasons', distinct=true) ~ "
        from ledger.rebuilt_days
        where invocation_id = '" ~ invocation_id ~ "'
        group by model, account_id
        order by model, account_id
        limit 20
    ").rows %}
    {%- do log(
        row[0] ~ ': built ' ~ row[2] ~ ' day' ~ ('s' if row[2] > 1 else '') ~ ' of '
        ~ row[1] ~ ' again, ' ~ row[3] ~ (' to ' ~ row[4] if row[4] != row[3] else '')
        ~ ' (' ~ row[5] ~ ')', info=true
    ) -%}
    {%- endfor %}
    {%- endif %}
{%- endmacro %}
