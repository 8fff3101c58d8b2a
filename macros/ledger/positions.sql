{#
    Where each model stood when this run first asked, by its name: how far it
    had taken, with which fingerprint, and why it must be rebuilt whole.

    Asked once a run and kept in dbt's `graph`, which all nodes of a run share:
    a dozen questions at 3 ms each would else be a third of a model's time. A
    model's place moves only when it is built, after the last question about
    it; what its list decides on the way is written in here, too (touched_list).
#}
{% macro positions() -%}
    {%- set key = 'ledger.positions as seen by ' ~ invocation_id -%}
    {%- if key not in graph -%}
        {%- set found = {} -%}
        {%- for row in run_query(
            "select model, coalesce(taken_through, 0), taken_fingerprint, rebuild_reason, "
            ~ "looked_through, fingerprint from ledger.positions"
        ).rows -%}
            {%- do found.update({row[0]: {
                'taken_through': row[1] | int, 'fingerprint': row[2], 'rebuild_reason': row[3],
                'looked_through': row[4] | int, 'looked_fingerprint': row[5]
            }}) -%}
        {%- endfor -%}
        {#- Of two threads that ask at once, the first one's answer counts. -#}
        {%- do graph.setdefault(key, found) -%}
    {%- endif -%}
    {{ return(graph[key]) }}
{%- endmacro %}
