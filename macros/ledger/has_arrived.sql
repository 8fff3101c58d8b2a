{#
    A condition: `true` if there are rows in one of these views of raw that the model
    has not taken yet, else `false`. Asked before the statement is planned, since an
    engine that must find out by itself has read the whole table when it has.

    model_name: the model that takes.
    views: names of views with a load_id.
#}
{% macro has_arrived(model_name, views) -%}
    {%- set asked = [] -%}
    {%- for view in views -%}
        {%- do asked.append(
            'select 1 from ' ~ ref(view) ~ ' where load_id in ' ~ arrived(model_name)
        ) -%}
    {%- endfor -%}
    {{ return(
        'false' if execute and not run_query(asked | join(' union all ') ~ ' limit 1').rows
        else 'true'
    ) }}
{%- endmacro %}
