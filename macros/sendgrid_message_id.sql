{#
    The X-Message-Id that a sg_message_id begins with. What SendGrid appends
    begins with .recvd or .filter; only where neither is there, the first dot
    ends the id. Null when nothing comes before it.
#}
{% macro sendgrid_message_id(column) -%}
    nullif(case
        when {{ column }} like '%.recvd%' or {{ column }} like '%.filter%'
            then split_part(split_part({{ column }}, '.recvd', 1), '.filter', 1)
        else split_part({{ column }}, '.', 1)
    end, '')
{%- endmacro %}
