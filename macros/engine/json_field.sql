{#
    One of the texts that json_values() found, by its field's name; null where
    the document has none. An empty text is none too, unless it is kept.
#}
{% macro json_field(fields, name, keep_empty=false) -%}
    {%- if name not in fields -%}
        {{ exceptions.raise_compiler_error("json_field: no field '" ~ name ~ "'") }}
    {%- endif -%}
    {%- set value = adapter.dispatch('json_field', 'tallybook')(fields, name) -%}
    {{ return(value if keep_empty else "nullif(" ~ value ~ ", '')") }}
{%- endmacro %}

{% macro duckdb__json_field(fields, name) -%}
    {{ return('found[' ~ ((fields.keys() | list).index(name) + 1) ~ ']') }}
{%- endmacro %}

{% macro spark__json_field(fields, name) -%}
    {{ return('found[' ~ (fields.keys() | list).index(name) ~ ']') }}
{%- endmacro %}
