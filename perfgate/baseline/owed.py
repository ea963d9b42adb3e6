"""Debts: gates of commits that ended undecided, and have not been decided since.

Nobody has to note a debt. It follows from what the history holds: the same question, asked by the same policy, without an
answer. So it is there for runs that were imported, and is settled by whoever decides it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from perfgate.baseline.question import DECIDED, compares_commits
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.history.summary import Summary

MOST_TRIES = 3
"""Nights that are spent on a debt. Each try is a test of its own, so each adds its own chance of an error: a regression of
just the margin passes one with 5 % at most, three with 15 % at most."""


@dataclass(frozen=True, slots=True)
class Debt:
    """first: the gate that ended undecided. last: the newest that did. tries: how often it was asked again since."""

    first: Summary
    last: Summary
    tries: int

    @property
    def pair_ns(self) -> float:
        """What a pair took, with everything around it."""
        return self.first.duration_ns / max(1, self.first.pairs)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        one = self.first
        return {
            "scenario": one.scenario, "target": one.target, "base": one.base_commit, "candidate": one.candidate_commit,
            "policy": one.policy, "margin": one.margin, "since": one.started.isoformat(timespec="seconds"),
            "tries": self.tries, "first": one.id, "last": self.last.id, "command": one.command,
        }  # fmt: skip


def debts(found: Iterable[Summary]) -> list[Debt]:
    """What is owed, the newest first. found: any runs."""
    open_debts: dict[tuple[object, ...], Debt] = {}
    gates = (one for one in found if one.kind == "gate" and one.verdict in DECIDED and compares_commits(one))
    for one in sorted(gates, key=lambda one: (one.started_wall_ns, one.id)):
        key = _question(one)
        if one.verdict != Word.INCONCLUSIVE:
            open_debts.pop(key, None)
        elif (known := open_debts.get(key)) is None:
            open_debts[key] = Debt(one, one, 0)
        else:
            open_debts[key] = Debt(known.first, one, known.tries + 1)
    return sorted(open_debts.values(), key=lambda debt: (debt.first.started_wall_ns, debt.first.id), reverse=True)


def _question(one: Summary) -> tuple[object, ...]:
    margin = None if one.margin is None else round(one.margin, 9)
    return one.scenario, one.scenario_digest, one.target, one.base_commit, one.candidate_commit, one.policy, margin


def more_looks(policy: Policy) -> tuple[int, ...]:
    """Pairs after which a second gate looks: where the first one ended, half as many more, and twice as many. Where a few
    processes serve all pairs, once, at twice as many: the looks in between might not be whole processes.

    Twice the pairs have a standard error smaller by the square root of two. Early looks would cost error (each one takes
    its share) and end nothing: the first gate has shown that few pairs do not decide this question.
    """
    last = policy.looks[-1]
    return (2 * last,) if policy.starts else tuple(sorted({last, -(-3 * last // 2), 2 * last}))
