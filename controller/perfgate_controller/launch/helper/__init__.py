"""Sent to where an agent is to live, and run there by whatever Python there is."""
