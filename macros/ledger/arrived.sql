{#
    The loads that a model has not taken yet, as a subquery of load_id. What
    is new is decided by arrival alone, never by when it happened.

    Nothing before the model's first build: that takes everything as it is.
#}
{% macro arrived(model_name) -%}
    {%- set through = taken_through(model_name) -%}
    (
        select load_id
        from {{ ref('stg_ledger__loads') }}
        where change_number > {{ through }} and {{ through }} > 0
    )
{%- endmacro %}
