"""Evaluation: what methods gain on distorted photographs."""
