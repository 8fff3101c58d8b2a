{#
    The first address of a To header. Quoted display names are taken out first:
    they hold commas and even addresses.
#}
{% macro first_address(header) -%}
    nullif(regexp_extract(
        {{ remove_matches(header, '"(?:[^"\\\\]|\\\\.)*"') }},
        '[^\s<>,;"]+@[^\s<>,;"]+', 0
    ), '')
{%- endmacro %}
