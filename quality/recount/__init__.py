"""The third route: what the marts must say, worked out in plain Python from raw.

It shares no code with the models, nor with `ops_reconciliation`: JSON is read by
Python, local days come from `zoneinfo` on the pinned tzdata, and counting is done in
dictionaries. What both use is data: the seeds, and where the application and the
providers say things.

    raw events ──▶ events: heard, matched ──▶ fct_message_events
                        ├──▶ recipients ──▶ fct_recipient_status, fct_email_performance
                        │        ├──▶ outcomes ──▶ fct_email_outcomes,
                        │        │                 fct_notification_performance
                        ├──▶ suppressions ──▶ fct_suppressions
                        │        ╰───┴──▶ members ──▶ dim_members
                        ╰──▶ days ──▶ fct_delivery_daily
    raw conversations ──▶ conversations ──▶ rollups, handoffs, outcomes
    raw client events ──▶ client_events ──▶ fct_client_events_daily
    raw requests ──▶ requests: received = loaded + repeated + dead
"""
