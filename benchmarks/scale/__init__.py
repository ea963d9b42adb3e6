"""How many agents one controller can follow: logical agents that stream, many to a process."""
