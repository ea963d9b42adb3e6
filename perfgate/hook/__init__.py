"""The pre-push hook: what it is installed as, which pushes it gates, against what, and what became of them."""
