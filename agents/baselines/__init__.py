"""Baselines: networks with their authors' weights, to compare agents with."""
