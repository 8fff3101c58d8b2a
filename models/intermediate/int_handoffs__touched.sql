{{ config(
    materialized='touched_list',
    meta={
        'touches': 'fct_handoff_conversations',
        'rebuilt_with': ['fct_reporting_events'],
        'fingerprint': ['reporting_metrics'],
    },
) }}

-- depends_on: {{ ref('reporting_metrics') }}

{{ touched_conversations('fct_handoff_conversations') }}
