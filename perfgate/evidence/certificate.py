"""What the A/A gates that were kept prove of the rate of false alarms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perfgate.evidence.gate_line import GateLine
from perfgate.gate.verdict import Word
from perfgate.stats.shares import clopper_pearson, trials_needed


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be the same for verdicts to be counted together."""

    host_id: str
    target: str
    scenario: str
    scenario_digest: str
    policy: str
    policy_digest: str

    @classmethod
    def of(cls, line: GateLine) -> Conditions:
        return cls(
            line.host_id, line.target, line.scenario, line.scenario_digest, line.policy, line.policy_digest
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Certificate:
    """gates: A/A gates that reached a verdict. alarms: those that blocked. undecided: INCONCLUSIVE, which are no alarms.
    invalid: those that said nothing, which are not among the gates. upper: the rate of false alarms is at most this, with
    the confidence asked for. more: verdicts without a false alarm that would still prove the claim; 0: it is proven."""

    conditions: Conditions
    host: str
    gates: int
    alarms: int
    undecided: int
    invalid: int
    upper: float
    more: int

    @property
    def proven(self) -> bool:
        return self.more == 0


def certify(lines: Iterable[GateLine], claim: float, confidence: float) -> list[Certificate]:
    """One certificate for each set of conditions among the A/A gates, the one with most gates first."""
    groups: dict[Conditions, list[GateLine]] = {}
    for line in lines:
        if line.aa:
            groups.setdefault(Conditions.of(line), []).append(line)
    found = [_certificate(conditions, group, claim, confidence) for conditions, group in groups.items()]
    return sorted(found, key=lambda one: (-one.gates, -one.invalid))


def _certificate(conditions: Conditions, lines: list[GateLine], claim: float, confidence: float) -> Certificate:
    words = [line.verdict for line in lines if line.verdict is not Word.INVALID]
    alarms = words.count(Word.BLOCK)
    return Certificate(
        conditions=conditions,
        host=", ".join(lines[-1].host.get(name, "") for name in ("cpu", "cores", "kernel") if name in lines[-1].host),
        gates=len(words),
        alarms=alarms,
        undecided=words.count(Word.INCONCLUSIVE),
        invalid=len(lines) - len(words),
        upper=clopper_pearson(alarms, len(words), confidence)[1] if words else 1.0,
        more=max(0, trials_needed(alarms, claim, confidence) - len(words)),
    )
