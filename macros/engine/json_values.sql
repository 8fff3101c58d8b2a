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
    {#- The document's own members first, all in one reading (that it stays one,
        profiles.yml says); what lies deeper is looked for in their texts. -#}
    {%- set paths, members = [], [] -%}
    {%- for path in fields.values() -%}
        {%- set quoted, plain, rest = modules.re.match('\$\.(?:"([^"]*)"|([^.\[]*))(.*)', path).groups() -%}
        {%- do members.append(quoted or plain) -%}
        {#- Spark knows a quoted member as ['member'] only. -#}
        {%- do paths.append((quoted or plain, modules.re.sub('\."([^"]*)"', "['\\1']", rest))) -%}
    {%- endfor -%}
    {%- set document -%}
        from_json({{ column }}, "struct<
            {%- for member in members | unique -%}
            `{{ member }}`: string{{ ', ' if not loop.last }}
            {%- endfor -%}
        >")
    {%- endset -%}
    array(
        {%- for member, rest in paths %}
        {%- set text = document ~ '.`' ~ member ~ '`' %}
        {{ 'get_json_object(' ~ text ~ ', "$' ~ rest ~ '")' if rest else text }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    ) as found
{%- endmacro %}
