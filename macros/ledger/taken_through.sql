{#
    The number up to which a model has taken everything upstream, as a literal;
    0 before its first build.
#}
{% macro taken_through(model_name) -%}
    {%- if not execute -%}{{ return(0) }}{%- endif -%}
    {%- set found = run_query(
        "select coalesce(max(taken_through), 0) from ledger.positions where model = '"
        ~ model_name ~ "'"
    ) -%}
    {{ return(found.columns[0].values()[0] | int) }}
{%- endmacro %}
