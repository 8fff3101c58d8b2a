"""The door: signed webhooks, answered 2xx only once their bytes are on disk.

    HTTP ──▶ body (limits, inflated) ──▶ verifier ──▶ inbox ──▶ fdatasync ──▶ 204

It knows the inbox and nothing else of ours, so that it keeps receiving whatever
becomes of the warehouse.
"""
