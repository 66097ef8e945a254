"""What is run from the shell: one module per command."""
