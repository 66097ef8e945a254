"""Callbacks of a training: evaluation, checkpoints, the best model, progress and interruption."""
