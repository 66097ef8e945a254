"""What `hirl restore` does: jobs, their log, and one picture after the other."""
