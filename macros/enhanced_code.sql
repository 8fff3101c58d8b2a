{#
    The enhanced code (5.1.1) that follows the code of a mail server's answer;
    null when there is none.
#}
{% macro enhanced_code(answer) -%}
    nullif(regexp_extract(
        {{ answer }},
        '(?:^|smtp;)\s*[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})(?:[ :]|$)', 1
    ), '')
{%- endmacro %}
