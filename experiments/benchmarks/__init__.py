"""Speed benchmarks of the environment, the agents and the measures."""
