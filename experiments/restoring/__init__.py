"""The work of `hirl restore`: finding pictures, jobs, their log, and restoring each picture."""
