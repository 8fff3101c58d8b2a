{#
    The next of the ledger's numbers, as an expression that may be used once.

    Where an engine has no sequences it is a literal: there is one run at a time,
    which asks for the greatest number once and counts on by itself.
#}
{% macro next_change_number() -%}
    {{ return(adapter.dispatch('next_change_number', 'tallybook')()) }}
{%- endmacro %}

{% macro duckdb__next_change_number() -%}
    {{ return("nextval('ledger.change_numbers')") }}
{%- endmacro %}

{% macro spark__next_change_number() -%}
    {%- set key = "the ledger's numbers of " ~ invocation_id -%}
    {%- if key not in graph -%}
        {%- do graph.setdefault(key, {
            'last': run_query('select ' ~ last_change_number()).rows[0][0] | int
        }) -%}
    {%- endif -%}
    {%- do graph[key].update(last=graph[key].last + 1) -%}
    {{ return(graph[key].last) }}
{%- endmacro %}
