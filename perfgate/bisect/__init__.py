"""Which commit brought a regression: a posterior over commits, moved by short gates."""
