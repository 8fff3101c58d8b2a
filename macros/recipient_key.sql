{#
    How an address is compared: lower-cased here and nowhere else, because SQL
    and Python differ on letters such as 'İ'.
#}
{% macro recipient_key(address) -%}
    lower(trim({{ address }}))
{%- endmacro %}
