"""Decides what is owed, one debt after the other, within a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perfgate.baseline.owed import Debt, more_looks
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.units import format_duration

WORST = (1, 2, 3, 4, 0)
"""Exit codes, the worst first: a blocked build, no evidence, undecided still, passed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A debt that can be asked again. policy: as the first gate had it. words: of `perfgate gate`, but for what changes."""

    debt: Debt
    policy: Policy
    words: tuple[str, ...]

    @property
    def looks(self) -> tuple[int, ...]:
        return more_looks(self.policy)

    @property
    def needed_ns(self) -> int:
        """For all of its pairs, at the pace of the first gate."""
        return round(self.looks[-1] * self.debt.pair_ns)


Decide = Callable[[Asked, int | None], int]
"""Gates with more pairs within so many ns (None: no limit); the exit code."""


def decide_all(
    asked: Sequence[Asked], limit_ns: int | None, decide: Decide, told: Callable[[str], None],
    clock: Callable[[], int] = time.monotonic_ns,
) -> int:  # fmt: skip
    """The worst exit code of those that were decided. A debt for which the time is too short is passed over: a gate that
    is cut off would stay undecided and cost a try."""
    began, codes = clock(), []
    for one in asked:
        left = None if limit_ns is None else limit_ns - (clock() - began)
        name = f"{(one.debt.first.base_commit or '')[:12]} → {(one.debt.first.candidate_commit or '')[:12]}"
        if left is not None and one.needed_ns > left:
            rest = format_duration(max(0, left))
            told(f"{name}: left for another night: takes {format_duration(one.needed_ns)}, {rest} are left")
            continue
        looks = ", ".join(map(str, one.looks))
        told(
            f"{name}: {one.debt.first.scenario} on {one.debt.first.target}, try {one.debt.tries + 1}, looks at {looks} pairs"
        )
        codes.append(decide(one, left))
        told(f"{name}: {_said(codes[-1])}")
    return min(codes, key=WORST.index, default=0)


def _said(code: int) -> str:
    word = {0: Word.PASS, 1: Word.BLOCK, 2: Word.BLOCK, 4: Word.INCONCLUSIVE}.get(code, Word.INVALID)
    ends = {Word.INCONCLUSIVE: "stays owed", Word.INVALID: "stays owed; this was no try"}
    return f"{word}, {ends.get(word, 'settled')}"
