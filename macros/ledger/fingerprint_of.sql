{#
    A hash over the rows of some small relations, whatever their order.
#}
{% macro fingerprint_of(names) -%}
    {%- set hashes = [] -%}
    {%- for name in names -%}
        {%- set found = run_query(
            "select md5(coalesce(string_agg(line, chr(10) order by line), '')) "
            ~ "from (select cast(r as varchar) as line from " ~ ref(name) ~ " as r)"
        ) -%}
        {%- do hashes.append(found.columns[0].values()[0]) -%}
    {%- endfor -%}
    {{ return(hashes | join(' ')) }}
{%- endmacro %}
