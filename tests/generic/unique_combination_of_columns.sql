{#
    The grain of a model: no two rows share these columns. What may be shared is
    found by a number for each, which takes little memory; then the columns tell.
#}
{% test unique_combination_of_columns(model, columns) %}

select {{ columns | join(', ') }}
from {{ model }}
where {{ key_hash(columns) }} in (
    select {{ key_hash(columns) }}
    from {{ model }}
    group by {{ key_hash(columns) }}
    having count(*) > 1
)
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
