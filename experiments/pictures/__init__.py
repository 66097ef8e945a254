"""Picture files: finding, reading and writing them, with all that belongs to them."""
