{#
    Where tables lie that are files on shared storage, as an absolute address:
    file:///srv/lake, s3a://bucket/lake.
#}
{% macro lake() -%}
    {{ return(env_var('TALLYBOOK_LAKE').rstrip('/')) }}
{%- endmacro %}
