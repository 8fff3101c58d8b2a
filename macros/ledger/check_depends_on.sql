{#
    Raises unless the model that is being built refers to all the named ones:
    what it looks at while deciding must be built before it.
#}
{% macro check_depends_on(names) -%}
    {%- for name in names -%}
        {%- if not model.depends_on.nodes | select('in', [
            'model.tallybook.' ~ name, 'seed.tallybook.' ~ name
        ]) | list -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ " looks at " ~ name ~ " and must say so: "
                ~ "-- depends_on: {{ ref('" ~ name ~ "') }}"
            ) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
