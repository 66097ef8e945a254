"""Figures, model cards, and the provenance of runs."""
