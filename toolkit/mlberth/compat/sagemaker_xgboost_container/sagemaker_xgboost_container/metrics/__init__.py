"""Metrics by name."""
