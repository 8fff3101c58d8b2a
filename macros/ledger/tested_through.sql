{#
    The number up to which the test in hand has passed, as a literal.
#}
{% macro tested_through() -%}
    {%- if not execute -%}{{ return(0) }}{%- endif -%}
    {{ return(test_positions().passed.get(model.name, {}).get('through', 0)) }}
{%- endmacro %}
