"""Modules that the agents share: environments for Stable-Baselines3, replay buffers, tiles."""
