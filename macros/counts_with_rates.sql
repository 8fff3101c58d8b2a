{#
    The counts of counts_of_recipients(), 0 where nobody was counted, and the rates
    that are made of them, as columns.

    relation: where they were counted; the rates divide its columns.
#}
{% macro counts_with_rates(relation) -%}
        {%- set names = ['sent'] + recipient_counts().keys() | list
            + ['open_events', 'click_events'] -%}
        {%- for name in names %}
        cast(coalesce({{ relation }}.{{ name }}, 0) as bigint) as {{ name }},
        {%- endfor %}
        {{ share('delivered', 'attempted') }} as delivery_rate,
        {{ share('delivered_opened', 'delivered') }} as open_rate,
        {{ share('delivered_opened_by_human', 'delivered') }}
            as human_open_rate,
        {{ share('delivered_clicked', 'delivered') }} as click_rate,
        {{ share('delivered_clicked', 'delivered_opened') }}
            as click_to_open_rate,
        {{ share('delivered_complained', 'delivered') }} as complaint_rate,
        {{ share('delivered_unsubscribed', 'delivered') }}
            as unsubscribe_rate
{%- endmacro %}
