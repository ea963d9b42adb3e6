"""What is kept of one gate: enough to count its verdict for the right host and policy, whatever becomes of its record."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from perfgate.calibration.host import identity
from perfgate.gate import rule
from perfgate.gate.comparison import Comparison
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.run import RunRecord
from perfgate.segment import Arm
from perfgate.stored_form import fields
from perfgate.targets.model import Target
from perfgate.units import NS_PER_S

VERSION = 1


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate. at: when it began, UTC, ISO 8601. host: what makes the machine another one for noise. policy_digest: of
    all of the policy's numbers and the rule's, so that another margin is another policy. aa: base and candidate are the
    same build. effects: by name, the estimate (log ratio; of errors and recall a difference) and its standard error."""

    at: str
    perfgate: str
    host_name: str
    host: Mapping[str, str]
    target: str
    base: str
    candidate: str
    aa: bool
    scenario: str
    scenario_digest: str
    policy: str
    policy_digest: str
    seed: int
    verdict: Word
    reason: str
    pairs: int
    seconds: float
    effects: Mapping[str, tuple[float, float]]

    @property
    def host_id(self) -> str:
        """8 hex digits of what the machine is, not of its name: a CI runner gets a new name each time."""
        return _digest(dict(self.host))


def gate_line(record: RunRecord, comparison: Comparison, aa: bool) -> GateLine:
    """Of a gate that has ended."""
    agents = record.environment.get("agents") or {}
    host = identity(next(iter(agents.values()), {}))  # the first agent's machine is the one that the stores run on
    verdict = comparison.verdict
    return GateLine(
        at=datetime.fromtimestamp(record.started_wall_ns // NS_PER_S, UTC).isoformat(),
        perfgate=str(record.environment.get("perfgate", "")),
        host_name=str(record.environment.get("controller", "")),
        host=host,
        target=record.target,
        base=record.builds[Arm.BASE],
        candidate=record.builds[Arm.CANDIDATE],
        aa=aa,
        scenario=record.name,
        scenario_digest=record.scenario_digest,
        policy=comparison.policy.name,
        policy_digest=policy_digest(comparison.policy),
        seed=record.seed,
        verdict=verdict.word,
        reason=verdict.reasons[0].code if verdict.reasons else "",
        pairs=comparison.pairs,
        seconds=round(record.duration_ns / NS_PER_S, 1),
        effects={
            effect.name: (round(effect.estimate, 6), round(effect.se, 6))
            for effect in comparison.effects
            if math.isfinite(effect.estimate) and math.isfinite(effect.se)
        },
    )


def same_build(target: Target, base: str, candidate: str) -> bool:
    """Whether two variants start the same: the same arguments to the same artifact."""
    return base == candidate or (
        target.variants.get(base) == target.variants.get(candidate)
        and target.artifacts.get(base) == target.artifacts.get(candidate)
    )


def policy_digest(policy: Policy) -> str:
    """8 hex digits of all that a policy decides by, and of the rule that does it: an older rule's verdicts prove nothing
    of this one."""
    return _digest({**dataclasses.asdict(policy), "rule": rule.RULE})


def to_json(line: GateLine) -> dict[str, Any]:
    """JSON-ready, with the version of the format."""
    return {"version": VERSION, **dataclasses.asdict(line), "host": dict(line.host)}


def from_json(data: Mapping[str, Any]) -> GateLine:
    """The inverse of `to_json`; fields that this perfgate does not know are left out. Raises ValueError for the rest."""
    return GateLine(**fields(GateLine, data, [field.name for field in dataclasses.fields(GateLine)]))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
