{#
    Raises unless int_local_days holds every day that is loaded of the zones in
    use. A selection that leaves it out would else take an account's new zone
    without the days of it, and the account's rows would go.
#}
{% macro check_local_days() -%}
    {%- set accounts, days, loads, local_days = (
        ref('int_accounts'), ref('stg_tallybook__time_zone_days'),
        ref('stg_ledger__loads'), ref('int_local_days')
    ) -%}
    {%- if execute and run_query("
        select distinct timezone, load_id
        from " ~ days ~ "
        where timezone in (select reporting_timezone from " ~ accounts ~ ")
            and load_id in (select load_id from " ~ loads ~ ")
        except
        select timezone, load_id from " ~ local_days ~ "
        limit 1
    ").rows -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " needs int_local_days, which is older than the zones or days "
            ~ "that were loaded: select it as well, with --select +" ~ model.name
        ) }}
    {%- endif -%}
{%- endmacro %}
