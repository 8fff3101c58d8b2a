{#
    dbt-spark escapes a quote by a backslash, which our target takes as it is
    (escapedStringLiterals in profiles.yml).
#}
{% macro spark__escape_single_quotes(expression) -%}
    {{ expression | replace("'", "''") }}
{%- endmacro %}
