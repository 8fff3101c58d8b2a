{#
    Which recipients each count counts, by its name. What a rate divides by the
    delivered counts only delivered ones, so that no rate passes 1.
#}
{% macro recipient_counts() -%}
    {%- set reached = {
        'opened': 'first_opened_at is not null',
        'opened_by_human': 'first_human_opened_at is not null',
        'clicked': 'first_clicked_at is not null',
        'complained': 'complained_at is not null',
        'unsubscribed': 'unsubscribed_at is not null',
    } -%}
    {%- set counts = {
        'attempted': "delivery_status <> 'rejected'",
        'delivered': 'is_delivered',
        'delivered_reported': 'delivered_at is not null',
        'rejected': "delivery_status = 'rejected'",
        'failed_permanently': 'bounced_at is not null',
        'failed_temporarily':
            "delivery_status in ('bounced', 'deferred') and bounced_at is null "
            ~ 'and not is_delivered',
    } -%}
    {%- do counts.update(reached) -%}
    {%- for name, condition in reached.items() -%}
        {%- do counts.update({'delivered_' ~ name: condition ~ ' and is_delivered'}) -%}
    {%- endfor -%}
    {{ return(counts) }}
{%- endmacro %}
