"""Proves a target file step by step with a tiny load: what was sent, what came back, what is wrong."""
