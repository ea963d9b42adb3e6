"""The number of the rule: what verdicts of the same policy may be counted together."""

from __future__ import annotations

RULE = 2
"""Goes up with each change of what a gate says to the same pairs under the same policy. 1: until November 2026. 2: a PASS
rules out the true margin, errors must come in pair after pair, and few processes borrow couples whole."""
