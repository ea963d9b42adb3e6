"""Which commit gates are compared with: a baseline is a build, not a number."""
