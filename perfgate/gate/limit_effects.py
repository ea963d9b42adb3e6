"""Rule 13, absolute limits in a comparison: the candidate missing one that the base meets is a BLOCK, if chance does not
explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perfgate.gate.limits import check_limits
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import by_start
from perfgate.gate.verdict import Reason
from perfgate.interval import Interval
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec
from perfgate.segment import Arm
from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.spending import looks_so_far, nominal_levels


@dataclass(frozen=True, slots=True)
class Limits:
    """blocking: the candidate alone misses a limit, pair after pair. undecided: over all pairs the candidate misses it
    and the base meets it, but chance would explain it: no BLOCK and no PASS. both: both miss it, which is no difference
    between them; said, and no more."""

    blocking: tuple[Reason, ...] = ()
    undecided: tuple[Reason, ...] = ()
    both: tuple[str, ...] = ()


def limits_of(pairs: Sequence[Pair], policy: Policy, validation: ValidationSpec | None) -> Limits:
    """Each limit is checked on all pairs together and pair by pair; McNemar's exact test on the pairs asks whether it
    is the candidate that misses it. Pairs of the same two processes count as one."""
    if validation is None or not pairs:
        return Limits()
    level = nominal_levels(policy.alpha_quality, looks_so_far(len(pairs), policy.looks))[-1]
    blocking, undecided, both = [], [], []
    unit = "starts" if policy.starts else "pairs"
    for row, rows in zip(_all_pairs(pairs, validation), zip(*_each(pairs, validation), strict=True), strict=True):
        only_candidate = sum(bool(one["met_base"] and not one["met_candidate"]) for one in rows)
        only_base = sum(bool(one["met_candidate"] and not one["met_base"]) for one in rows)
        if mcnemar_above(only_candidate, only_base) < level:
            blocking.append(_reason(row, f"in {only_candidate} of {len(rows)} {unit} in which the base meets it"))
        elif row["met_base"] and not row["met_candidate"]:
            undecided.append(_reason(row, "which the base meets, but by no more than chance would explain"))
        elif not row["met_base"] and not row["met_candidate"]:
            both.append(f"both builds miss validation.{row['name']} = {row['limit']:g} {row['unit']} ({_values(row)})")
    return Limits(tuple(blocking), tuple(undecided), tuple(both))


def _reason(row: Mapping[str, Any], how: str) -> Reason:
    name = row["name"]
    text = f"the candidate misses validation.{name} = {row['limit']:g} {row['unit']} {how} ({_values(row)})"
    return Reason("absolute_limit", text, "mend the candidate, or the limit if it is wrong", name)


def _values(row: Mapping[str, Any]) -> str:
    shown = ["none" if row[arm] is None else f"{row[arm]:.4g}" for arm in ("base", "candidate")]
    return f"base {shown[0]}, candidate {shown[1]}"


def _each(pairs: Sequence[Pair], validation: ValidationSpec) -> list[tuple[dict[str, Any], ...]]:
    return [_all_pairs(served, validation) for served in by_start(pairs)]


def _all_pairs(pairs: Sequence[Pair], validation: ValidationSpec) -> tuple[dict[str, Any], ...]:
    return _check({arm: [pair.total(arm) for pair in pairs] for arm in Arm}, pairs, validation)


def _check(
    totals: Mapping[Arm, list[Interval]], pairs: Sequence[Pair], validation: ValidationSpec
) -> tuple[dict[str, Any], ...]:
    couples = [couple for pair in pairs for couple in pair.usable]
    measured = {arm: sum(couple.arm(arm).end_ns - couple.arm(arm).start_ns for couple in couples) for arm in Arm}
    return check_limits(validation, {arm: Interval.merge(totals[arm]) for arm in Arm}, measured)
