"""Figures of docs/benchmarks.md: measured, never asserted by a test."""
