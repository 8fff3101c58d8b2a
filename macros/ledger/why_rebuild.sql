{#
    Why a model must be rebuilt whole since its last build, in words; an empty
    string when it needn't be.
#}
{% macro why_rebuild(model_name, rebuilt_with, fingerprinted, fingerprint, after_hours=none) -%}
    {%- if flags.FULL_REFRESH -%}{{ return('full refresh asked for') }}{%- endif -%}
    {%- set last = run_query(
        "select taken_through, taken_fingerprint from ledger.positions where model = '"
        ~ model_name ~ "' and taken_through is not null"
    ).rows -%}
    {%- if not last -%}{{ return('first build') }}{%- endif -%}
    {%- if last[0][1] != fingerprint -%}
        {{ return('one of these changed: ' ~ fingerprinted | join(', ')) }}
    {%- endif -%}
    {%- if rebuilt_with -%}
        {%- set rebuilt = run_query(
            "select distinct model from ledger.rebuilds where model in ('"
            ~ rebuilt_with | join("', '") ~ "') and change_number > "
            ~ last[0][0] ~ " order by model"
        ) -%}
        {%- if rebuilt.rows -%}
            {{ return('rebuilt before it: ' ~ rebuilt.columns[0].values() | join(', ')) }}
        {%- endif -%}
    {%- endif -%}
    {%- if after_hours and not run_query(
        "select 1 from ledger.rebuilds where model = '" ~ model_name
        ~ "' and rebuilt_at > current_timestamp - interval " ~ after_hours ~ " hour limit 1"
    ).rows -%}
        {{ return('every ' ~ after_hours ~ ' hours') }}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
