{#
    Notes that the model in hand has taken everything up to where its list looked.
#}
{% macro note_taken() -%}
    update ledger.positions set
        taken_through = looked_through, taken_fingerprint = fingerprint
    where model = '{{ this.identifier }}'
{%- endmacro %}
