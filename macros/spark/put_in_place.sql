{#
    Puts a table that was made beside another one in its place. A run that dies
    between the two steps leaves none, and the next one builds it whole.
#}
{% macro put_in_place(building, existing, target_relation) -%}
    {%- if existing is not none -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- do adapter.rename_relation(building, target_relation) -%}
{%- endmacro %}
