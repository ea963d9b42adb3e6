"""Calibration: A/A pairs of one build tell how noisy a host is, and what a gate on it will see."""
