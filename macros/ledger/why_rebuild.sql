{#
    Why a model must be rebuilt whole since its last build, in words, an empty
    string when it needn't be; and the fingerprint of what decides every row at
    once. Asked of the warehouse in one query.
#}
{% macro why_rebuild(model_name, rebuilt_with, fingerprinted, after_hours=none) -%}
    {%- set last = positions().get(model_name, {}) -%}
    {%- set found = run_query(
        "select " ~ fingerprint_of(fingerprinted) ~ ", " ~ joined('model', distinct=true) ~ " "
        ~ "from ledger.rebuilds where change_number > " ~ taken_through(model_name)
        ~ " and model in ('" ~ rebuilt_with | join("', '") ~ "')"
    ).rows[0] -%}
    {%- set is_overdue = after_hours and not run_query(
        "select 1 from ledger.rebuilds where model = '" ~ model_name
        ~ "' and rebuilt_at > current_timestamp - interval " ~ after_hours ~ " hour limit 1"
    ).rows -%}
    {%- if flags.FULL_REFRESH -%}
        {%- set reason = 'full refresh asked for' -%}
    {%- elif not last.get('taken_through') -%}
        {#- Forgetting leaves out what named someone, and where it stood. -#}
        {%- set was_built = run_query(
            "select 1 from ledger.builds where model = '" ~ model_name ~ "' limit 1"
        ).rows -%}
        {%- set reason = 'someone was forgotten' if was_built else 'first build' -%}
    {%- elif mart_columns_changed(model_name) -%}
        {%- set reason = 'its columns are others now' -%}
    {%- elif last.fingerprint != found[0] -%}
        {%- set reason = 'one of these changed: ' ~ fingerprinted | join(', ') -%}
    {%- elif found[1] -%}
        {%- set reason = 'rebuilt before it: ' ~ found[1] -%}
    {%- elif is_overdue -%}
        {%- set reason = 'every ' ~ after_hours ~ ' hours' -%}
    {%- else -%}
        {%- set reason = '' -%}
    {%- endif -%}
    {{ return({'reason': reason, 'fingerprint': found[0]}) }}
{%- endmacro %}
