"""Agents on several hosts, made of network namespaces, and everything that may befall them ([faults](docs/faults.md))."""
