"""Evidence: one line of every gate, and what the A/A gates among them prove of the rate of false alarms."""
