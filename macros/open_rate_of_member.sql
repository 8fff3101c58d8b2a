{#
    Opened of tracked emails in percent, half rounded up; null below five tracked
    emails, which say little of a person.
#}
{% macro open_rate_of_member(opened, tracked) -%}
    case
            when {{ tracked }} >= 5
                then cast(floor(100.0 * {{ opened }} / {{ tracked }} + 0.5) as bigint)
        end
{%- endmacro %}
