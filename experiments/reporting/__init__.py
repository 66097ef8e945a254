"""Figures, model cards, and what identifies a run."""
