{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_email_outcomes',
        'rebuilt_with': ['fct_recipient_status'],
    },
) }}

-- depends_on: {{ ref('fct_recipient_status') }}

with

touched as (

    select distinct
        email_id,
        {{ mailbox_domain('recipient_key') }} as mailbox_domain

    from {{ changes('fct_recipient_status', 'fct_email_outcomes') }}

)

select * from touched
