"""What acts in the environment."""
