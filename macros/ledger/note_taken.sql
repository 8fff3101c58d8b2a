{#
    Notes that the model in hand has taken everything up to where its list looked.
#}
{% macro note_taken() -%}
    {{ return(adapter.dispatch('note_taken', 'tallybook')()) }}
{%- endmacro %}

{% macro duckdb__note_taken() -%}
    update ledger.positions set
        taken_through = looked_through, taken_fingerprint = fingerprint
    where model = '{{ this.identifier }}'
{%- endmacro %}

{% macro spark__note_taken() -%}
    {%- set looked = positions()[this.identifier] -%}
    {{ position_line(this.identifier, looked, looked.looked_through, looked.looked_fingerprint) }}
{%- endmacro %}
