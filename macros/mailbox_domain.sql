{#
    The domain of whoever keeps the mailbox: what stands behind the last @ of an
    address; the whole text where there is none.
#}
{% macro mailbox_domain(recipient_key) -%}
    regexp_extract({{ recipient_key }}, '[^@]*$', 0)
{%- endmacro %}
