"""Picture files: finding, reading and writing them, with their metadata."""
