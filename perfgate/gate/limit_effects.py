"""Absolute limits in a comparison: the candidate failing one that the base meets is a BLOCK, if chance does not
explain it."""

from __future__ import annotations

from collections.abc import Sequence

from perfgate.gate.limits import check_limits
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec
from perfgate.segment import Arm
from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.spending import looks_so_far, nominal_levels


def limit_reasons(pairs: Sequence[Pair], policy: Policy, validation: ValidationSpec) -> list[Reason]:
    """Each limit is checked pair by pair; McNemar's exact test asks whether it is the candidate that misses it."""
    if not pairs:
        return []
    level = nominal_levels(policy.alpha_quality, looks_so_far(len(pairs), policy.looks))[-1]
    tables = [_pair_limits(pair, validation) for pair in pairs]
    reasons = []
    for rows in zip(*tables, strict=True):
        only_candidate = sum(row["met_base"] and not row["met_candidate"] for row in rows)
        only_base = sum(row["met_candidate"] and not row["met_base"] for row in rows)
        if mcnemar_above(only_candidate, only_base) >= level:
            continue
        name, limit, unit = rows[0]["name"], rows[0]["limit"], rows[0]["unit"]
        text = (
            f"the candidate misses validation.{name} = {limit:g} {unit} in {only_candidate} of {len(rows)} pairs "
            "in which the base meets it"
        )
        reasons.append(Reason("absolute_limit", text, "mend the candidate, or the limit if it is wrong", name))
    return reasons


def _pair_limits(pair: Pair, validation: ValidationSpec) -> tuple[dict[str, object], ...]:
    measured = {arm: sum(couple.arm(arm).end_ns - couple.arm(arm).start_ns for couple in pair.usable) for arm in Arm}
    return check_limits(validation, {arm: pair.total(arm) for arm in Arm}, measured)
