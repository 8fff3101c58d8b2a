"""Checks that people can lean on: the warehouse is read, and nothing is written to raw.

raw ──▶ edge: what each load must look like ───────────────╮
raw ──▶ recount: the marts once more, in plain Python ──────┼──▶ results ──▶ JUnit,
marts.ops_* ──▶ operations: completeness, freshness, tally ─╯               history
"""
