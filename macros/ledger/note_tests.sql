{#
    Notes at the end of a run which tests passed, those that look only at what
    changed: the next run's need not look at it again.
#}
{% macro note_tests(results) -%}
    {{ return(adapter.dispatch('note_tests', 'tallybook')(results)) }}
{%- endmacro %}

{% macro duckdb__note_tests(results) -%}
    {%- if execute %}
    {%- set looked = test_positions().looked %}
    {%- set rows = [] %}
    {%- for result in results if result.status == 'pass' and result.node.name in looked %}
        {%- do rows.append(
            "('" ~ result.node.name ~ "', " ~ looked[result.node.name] ~ ")"
        ) %}
    {%- endfor %}
    {%- if rows %}
    merge into ledger.tests as tests
    using (
        select column0 as test, column1 as looked_at_all,
            (select nextval('ledger.change_numbers')) as number
        from (values {{ rows | join(', ') }}) as passed (column0, column1)
    ) as passed
        on tests.test = passed.test
    when matched then update set
        passed_through = passed.number,
        looked_at_all_at = case
            when passed.looked_at_all then current_timestamp
            else tests.looked_at_all_at
        end
    when not matched then insert
    values (passed.test, passed.number, current_timestamp)
    {%- endif %}
    {%- endif %}
{%- endmacro %}

{% macro spark__note_tests(results) -%}
{%- endmacro %}
