{#
    How an address is compared: lower-cased here and nowhere else, because SQL
    and Python differ on letters such as 'İ'.
#}
{% macro recipient_key(address) -%}
    {{ return(adapter.dispatch('recipient_key', 'tallybook')(address)) }}
{%- endmacro %}

{% macro duckdb__recipient_key(address) -%}
    lower(trim({{ address }}))
{%- endmacro %}

{% macro spark__recipient_key(address) -%}
    {#- Java makes two letters of the one, and looks at what follows the other. -#}
    lower(translate(trim({{ address }}), 'İΣ', 'iσ'))
{%- endmacro %}
