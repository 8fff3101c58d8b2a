{#
    A text to stand between single quotes. Where a backslash is a backslash
    (escapedStringLiterals in profiles.yml) Spark knows no way to write a quote
    within its own kind, so it comes between two texts.
#}
{% macro spark__escape_single_quotes(expression) -%}
    {{ expression | replace("'", "' || \"'\" || '") }}
{%- endmacro %}
