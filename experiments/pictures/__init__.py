"""Picture files: reading and writing them, with their metadata."""
