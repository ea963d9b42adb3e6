"""A small certificate authority for controllers and agents. The only place that imports `cryptography`: agents and
controllers need what it makes, but not the library."""
