"""What was measured and decided here before: every run in a database, beside the runs' directories."""
