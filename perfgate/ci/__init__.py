"""Ready files for a CI, and which of them a repository needs."""
