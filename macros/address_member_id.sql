{#
    The id of a member whom no application names: an address within an account.
#}
{% macro address_member_id(account_id, recipient_key) -%}
    {{ account_id }} || ':' || {{ recipient_key }}
{%- endmacro %}
