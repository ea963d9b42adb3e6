"""What a gate is asked, and what has been answered already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.history.summary import Summary
from perfgate.report.words import change

DECIDED = (Word.PASS, Word.BLOCK, Word.INCONCLUSIVE)
"""Verdicts that say something of the builds; INVALID says nothing."""
SAME = 1e-9
"""Margins that differ by less are the same."""


@dataclass(frozen=True, slots=True)
class Question:
    """Is `candidate` slower than `base` by more than `margin` (a fraction)? Both are commit ids."""

    base: str
    candidate: str
    margin: float


@dataclass(frozen=True, slots=True)
class Rule:
    """By what gates of a series decide: verdicts are comparable where all of it is the same."""

    scenario_digest: str
    policy: Policy

    def same(self, one: Summary, margin: float) -> bool:
        """Whether a recorded gate was decided by the policy of this name with this margin, a fraction."""
        return one.policy == self.policy.name and one.margin is not None and abs(one.margin - margin) < SAME


Gate = Callable[[Question], None]
"""Gates now, and records it in the history: there the answer is read."""


def of_commits(found: Iterable[Summary], scenario: str, target: str) -> list[Summary]:
    """The decided gates of two commits in this series, the oldest first. What was not committed is no commit."""
    chosen = [
        one for one in found
        if (one.kind, one.scenario, one.target) == ("gate", scenario, target) and one.verdict in DECIDED and compares_commits(one)
    ]  # fmt: skip
    return sorted(chosen, key=lambda one: (one.started_wall_ns, one.id))


def compares_commits(one: Summary) -> bool:
    """By `perfgate gate`, and both builds are of commits that will still be there tomorrow. A bisection's short gates are no
    verdicts on a commit: they cannot pass."""
    if not one.command.startswith("perfgate gate"):
        return False
    named = [str(name) for name in (one.base, one.candidate)]
    return bool(one.base_commit and one.candidate_commit) and not any(name.endswith("-dirty") for name in named)


def answer(gates: Sequence[Summary], question: Question, rule: Rule) -> Summary | None:
    """The newest verdict on just this question, with the scenario as it is now. A PASS within a smaller margin answers it,
    too. gates: the oldest first."""
    for one in reversed(gates):
        if (one.base_commit, one.candidate_commit) != (question.base, question.candidate):
            continue
        if one.scenario_digest != rule.scenario_digest or one.policy != rule.policy.name or one.margin is None:
            continue
        stricter = one.verdict == Word.PASS and one.margin < question.margin
        if stricter or rule.same(one, question.margin):
            return one
    return None


def shown(one: Summary) -> str:
    """`p99 +1.2 % [0.3, 2.1]`; empty where there is no figure."""
    if one.estimate is None or one.metric is None:
        return ""
    quantile = one.metric.rpartition(" ")[2]
    if one.lower is None or one.upper is None:
        return f"{quantile} {change(one.estimate)}"
    return f"{quantile} {change(one.estimate)} [{change(one.lower)}, {change(one.upper)}]"
