"""Reads what providers and the application report, and loads it into `raw`.

settings ──▶ pipeline ──▶ app, mailgun, time_zones ──▶ dlt ──▶ DuckDB, schema raw
"""
