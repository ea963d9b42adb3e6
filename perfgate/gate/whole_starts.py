"""Few processes of which each serves several pairs: the rule is asked after whole numbers of them only."""

from __future__ import annotations

import dataclasses
import math

from perfgate.gate.policy import Policy

LEAST_STARTS = 3
"""Two processes a build say too little of anything, whatever is borrowed."""


def whole_starts(policy: Policy) -> Policy:
    """The policy with its looks, and the first PASS, moved up to whole numbers of processes: `starts` of them serve the
    pairs of the last look. Then the information grows as the number of processes does, whatever the two variances are
    (docs/statistics.md, "Slow starts"). A policy that cannot work is left as it is, to be refused."""
    if policy.starts < LEAST_STARTS or not policy.looks or 2 * policy.starts > policy.looks[-1]:
        return policy
    each = math.ceil(policy.looks[-1] / policy.starts)
    looks = sorted({math.ceil(look / each) * each for look in policy.looks} | {each * policy.starts})
    return dataclasses.replace(policy, looks=tuple(looks), pass_from=math.ceil(policy.pass_from / each) * each)
