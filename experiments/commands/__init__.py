"""One module per `hirl` command: its options, its call, and its output."""
