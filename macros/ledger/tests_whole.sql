{#
    Whether the data test in hand must look at everything that some marts hold,
    and not only at the rows that were written since it last passed: when one of
    them was rebuilt whole, when it never passed, and once a day. Notes the answer
    for note_tests. True while parsing, for the refs.

    What a test found stays to be found: only a pass moves its position.
#}
{% macro tests_whole(model_names) -%}
    {{ return(adapter.dispatch('tests_whole', 'tallybook')(model_names)) }}
{%- endmacro %}

{% macro duckdb__tests_whole(model_names) -%}
    {%- if not execute -%}{{ return(true) }}{%- endif -%}
    {%- set known = test_positions() -%}
    {%- set passed = known.passed.get(model.name, {'through': 0, 'is_due': true}) -%}
    {%- set found = {'whole': passed.is_due or passed.through < known.trimmed} -%}
    {%- for name in model_names -%}
        {%- if rebuild_reason(name) or known.rebuilt.get(name, 0) > passed.through -%}
            {%- do found.update(whole=true) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do known.looked.update({model.name: found.whole}) -%}
    {{ return(found.whole) }}
{%- endmacro %}

{% macro spark__tests_whole(model_names) -%}
    {{ return(true) }}
{%- endmacro %}
