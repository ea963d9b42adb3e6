"""perfgate's load generator side by side with others: `make bench`; the figures are in docs/performance.md."""
