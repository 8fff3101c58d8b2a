{#
    Fields for json_values(): the members of an object whose names come from a
    configuration, as variable_0, variable_1, …

    object: the object's name; the document itself when none.
#}
{% macro variable_fields(object, names) -%}
    {%- set fields = {} -%}
    {%- set holder = '$."' ~ object ~ '".' if object else '$.' -%}
    {%- for name in names -%}
        {%- if "'" in name or '"' in name -%}
            {{ exceptions.raise_compiler_error(
                "The name of a variable can't hold a quote: " ~ name
            ) }}
        {%- endif -%}
        {%- do fields.update({'variable_' ~ loop.index0: holder ~ '"' ~ name ~ '"'}) -%}
    {%- endfor -%}
    {{ return(fields) }}
{%- endmacro %}
