{#
    The code that a mail server's answer begins with, as an integer; null when
    there is none. Bounce reports put `smtp;` before the answer.
#}
{% macro smtp_code(answer) -%}
    try_cast(regexp_extract(
        {{ answer }}, '(?:^|smtp;)\s*([245]\d\d)(?:[ -]|$)', 1
    ) as integer)
{%- endmacro %}
