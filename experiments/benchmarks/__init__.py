"""How fast the environment, the agents and the measures are."""
