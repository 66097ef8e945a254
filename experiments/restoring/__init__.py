"""The work of `hirl restore`: jobs, their log, and restoring each picture."""
