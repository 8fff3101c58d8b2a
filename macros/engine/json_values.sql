{#
    The texts at the paths of a JSON column, as one array named `found`: the
    document is parsed once for all of them (25 paths of 100k events: 0.4 s
    instead of 4.8 s). A document that the engine can't parse gives null.

    fields: names and their paths; json_field() picks one by its name.
#}
{% macro json_values(column, fields) -%}
    {{ return(adapter.dispatch('json_values', 'tallybook')(column, fields)) }}
{%- endmacro %}

{% macro duckdb__json_values(column, fields) -%}
    try(json_extract_string({{ column }}, [
        {%- for path in fields.values() %}
        '{{ path }}'{{ ',' if not loop.last }}
        {%- endfor %}
    ])) as found
{%- endmacro %}

{% macro spark__json_values(column, fields) -%}
    {#- The document becomes a struct of its first members, each as text, of which the
        array is made. What lies deeper is read from such a text, a small part of it. -#}
    {%- set re = modules.re -%}
    {%- set paths = [] -%}
    {%- for path in fields.values() -%}
        {%- set quoted, plain, deeper = re.match('[$][.](?:"([^"]*)"|([^".[]+))(.*)', path).groups() -%}
        {#- Spark knows a quoted member as ['member'] only. -#}
        {%- do paths.append((quoted or plain, re.sub('[.]"([^"]*)"', "['\\1']", deeper))) -%}
    {%- endfor -%}
    {#- Names of columns differ by more than their case. -#}
    {%- set members = paths | map(attribute=0) | unique | list -%}
    from_json({{ column }}, '
        {%- for member in members -%}
            `{{ member }}` string{{ ', ' if not loop.last }}
        {%- endfor -%}
    ', map('allowSingleQuotes', 'false')) as document,
    array(
        {%- for member, deeper in paths %}
        {% if member not in members -%}
            get_json_object({{ column }}, "$['{{ member }}']{{ deeper }}")
        {%- elif deeper -%}
            get_json_object(document.`{{ member }}`, "${{ deeper }}")
        {%- else -%}
            document.`{{ member }}`
        {%- endif %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    ) as found
{%- endmacro %}
