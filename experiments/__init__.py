"""The `hirl` command and everything that its sub-commands need."""
