{#
    A post-hook of a mart of account-days: writes to the ledger which days the
    build computed again and why, in the mart's own transaction. Of a whole
    rebuild only ledger.builds tells.
#}
{% macro note_rebuilt_days(touched) -%}
    {%- if execute and touched_only(this.identifier) -%}
    insert into ledger.rebuilt_days
    select
        (select max(change_number) from ledger.builds where model = '{{ this.identifier }}'),
        '{{ this.identifier }}',
        account_id,
        date,
        {{ joined('reason', distinct=true) }},
        '{{ invocation_id }}'
    from {{ ref(touched) }}
    group by account_id, date
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}
