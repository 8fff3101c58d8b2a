"""Measurements that anyone can run; docs/benchmarks.md has the figures."""
