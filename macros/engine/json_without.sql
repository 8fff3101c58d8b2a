{#
    A JSON object, as text, without these of its members; null when none is
    left, and of a document that the engine can't parse.
#}
{% macro json_without(column, members) -%}
    {{ return(adapter.dispatch('json_without', 'tallybook')(column, members)) }}
{%- endmacro %}

{% macro duckdb__json_without(column, members) -%}
    {#- A merge patch (RFC 7386) takes away what it says is null. -#}
    nullif(cast(try(json_merge_patch({{ column }}, '{
        {%- for member in members %}"{{ member }}":null{{ ',' if not loop.last }}
        {%- endfor %}}')) as varchar), '{}')
{%- endmacro %}

{% macro spark__json_without(column, members) -%}
    nullif(to_json(map_filter(
        from_json({{ column }}, 'map<string, variant>'),
        (member, held) -> member not in ('{{ members | join("', '") }}')
    )), '{}')
{%- endmacro %}
