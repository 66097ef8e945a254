"""Training of agents, tools and the blind measure."""
