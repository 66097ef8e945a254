"""How agents, tools and the blind measure are trained."""
