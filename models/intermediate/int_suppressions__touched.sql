{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_suppressions',
        'rebuilt_with': ['fct_message_events'],
        'fingerprint': ['suppression_rules'],
    },
) }}

-- depends_on: {{ ref('fct_message_events') }}

with

{# Of all that happens to an address only this says whether it gets mail. #}
touched as (

    select distinct
        account_id,
        recipient_key

    from {{ changes('fct_message_events', 'fct_suppressions') }}

    where account_id is not null
        and recipient_key is not null
        and event_type in (
            select rules.event_type
            from {{ ref('suppression_rules') }} as rules
        )

)

select * from touched
