"""How fleets behave: what losing an agent costs, how far apart agents start."""
