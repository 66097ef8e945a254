"""What happens beside the learning, a module each."""
