"""The noisy neighbour's gate: the others' requests of both arms, and what to say of them.

Both arms are the same build under the same requests; the second one's slices have what the neighbour sends on top. What is
compared is what the other memory spaces saw.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from statistics import NormalDist

from perfgate.errors import InputError
from perfgate.gate.comparison import Comparison
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.interval import Interval
from perfgate.pair import Pair
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.spaces import OTHERS

MARGIN = 0.01
"""What counts as a disturbance, unless scenario, policy or command line say otherwise."""
QUESTION = "noisy neighbour"
MOST_PAIRS = 1_000
POWER = 0.80
EACH = 0.95
"""Of each operation's quantile, not to lie over the margin by chance."""
_LATENCY = ("p50", "p95", "p99")


def check(scenario: Scenario, policy: Policy) -> None:
    """Raises InputError for a scenario or a policy with which the question cannot be asked."""
    if scenario.neighbour is None:
        raise InputError(
            f"scenario {scenario.name!r}: noisy_neighbour is missing: add a table, for example [noisy_neighbour] with "
            "space = 0 and factor = 10.0"
        )
    if policy.mode != "alternation":
        raise InputError(f'gate.mode = "{policy.mode}": a neighbour in one half of a duet disturbs both; leave it out')
    if policy.starts:
        raise InputError(f"gate.starts = {policy.starts}: calibrations know of builds, not of neighbours; leave it out")


def arms(scenario: Scenario, variant: str) -> Mapping[Arm, str]:
    """What the two arms are called."""
    assert scenario.neighbour is not None
    what = f"space {scenario.neighbour.space} at {scenario.neighbour.factor:g} times its rate"
    return {Arm.BASE: f"{variant}, all spaces calm", Arm.CANDIDATE: f"{variant}, {what}"}


def others_only(pair: Pair) -> Pair:
    """The pair as the other spaces saw it; how late requests were sent stays that of all."""
    couples = tuple(
        dataclasses.replace(couple, base=_others(couple.base), candidate=_others(couple.candidate))
        for couple in pair.couples
    )
    return dataclasses.replace(
        pair, couples=couples, warmup={arm: _others(interval) for arm, interval in pair.warmup.items()}
    )


def _others(interval: Interval) -> Interval:
    """Counts are those of the others, of which as large a share was sent as of all."""
    only = dataclasses.replace(interval, operations=interval.spaces.get(OTHERS, {}))
    sent = round(only.total * interval.sent / interval.due) if interval.due else 0
    return dataclasses.replace(only, due=only.total, sent=sent)


def pairs_needed(comparison: Comparison, power: float = POWER) -> int | None:
    """How many pairs, at the noise of those that were measured, show with `power` that nothing moved by the margin; None
    where too few were.

    A PASS needs estimate + z(1 - alpha_pass) · se below the margin. If nothing moved, the estimate lies below z(power) · se
    with that probability, so se must shrink to log(1 + margin) / (z(1 - alpha_pass) + z(power)), and it does with the root
    of the pairs. The mean over operations has the margin, each operation by itself margin x operation_margin_factor. And no
    estimate of an operation's quantile may lie over the margin: z(0.95) · se below it.
    """
    policy, normal = comparison.policy, NormalDist()
    sure = normal.inv_cdf(1 - policy.alpha_pass) + normal.inv_cdf(power)
    known = [effect for effect in comparison.effects if effect.statistic in _LATENCY and 0 < effect.se < math.inf]
    reaches = [sure * effect.se / math.log1p(effect.margin) for effect in known if effect.primary]
    reaches += [
        normal.inv_cdf(EACH) * effect.se / math.log1p(policy.margin_at(effect.base_ns))
        for effect in known
        if effect.operation
    ]
    return max(policy.pass_from, math.ceil(comparison.pairs * max(reaches) ** 2)) if reaches else None


def explained(comparison: Comparison, one_process: bool = False) -> Comparison:
    """With what the arms are, and, where it ended undecided, how many pairs would decide."""
    served = "one process served both arms of a pair" if one_process else "each arm had a process of its own"
    notes = [
        "base is what the other memory spaces saw while all were calm, candidate the same requests beside the noisy "
        f"neighbour; {served}"
    ]
    if comparison.verdict.word is Word.INCONCLUSIVE and (needed := pairs_needed(comparison)) is not None:
        remedy = f"write --looks {needed}" if needed <= MOST_PAIRS else "which no gate can have: widen the margin"
        notes.append(
            f"at the noise measured here a margin of {100 * comparison.policy.margin:g} % takes about {needed:,} pairs "
            f"({comparison.pairs} were measured) to be shown four times in five, if nothing moves: {remedy}, raise the rate "
            "or [gate] measured_seconds, or measure on a quieter host"
        )
    return dataclasses.replace(comparison, notes=(*notes, *comparison.notes))
