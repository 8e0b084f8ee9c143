"""Figures of the report: each module draws a few, every function returns a matplotlib figure."""
