"""What the recorded gates say of a commit by itself, whatever it was compared with."""

from __future__ import annotations

from collections.abc import Sequence, Set
from enum import StrEnum

from perfgate.baseline.question import Rule
from perfgate.gate.verdict import Word
from perfgate.history.summary import Summary


class Standing(StrEnum):
    """PASSED: in at least one gate, and in none that counts was it blocked or left undecided."""

    PASSED = "passed"
    BLOCKED = "blocked"
    UNDECIDED = "undecided"
    UNKNOWN = "not gated"


def standing(gates: Sequence[Summary], commit: str, rule: Rule, anchors: Set[str]) -> Standing:
    """Of the newest verdict against each base. gates: of the series, the oldest first. anchors: bases that do not count: a
    BLOCK against an anchor is about all commits since, and ends when the anchor is moved."""
    newest = {
        one.base_commit: one.verdict
        for one in gates
        if one.candidate_commit == commit and one.base_commit not in anchors and rule.same(one, rule.policy.margin)
    }
    said = set(newest.values())
    if Word.BLOCK in said:
        return Standing.BLOCKED
    if Word.INCONCLUSIVE in said:
        return Standing.UNDECIDED
    return Standing.PASSED if said else Standing.UNKNOWN


def worth_trying(commits: Sequence[str], found: Sequence[Standing]) -> list[str]:
    """The newest first: those that passed; then the newest of all, where nobody has gated it yet. commits: the newest
    first, each with its standing."""
    passed = [commit for commit, one in zip(commits, found, strict=True) if one is Standing.PASSED]
    unknown = [commits[0]] if commits and found[0] is Standing.UNKNOWN else []
    return passed + unknown
