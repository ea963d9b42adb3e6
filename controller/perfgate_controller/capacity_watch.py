"""Whether both builds hold the offered rate: asked of the first pair, and of the next one before the candidate is blamed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from perfgate.gate.capacity import capacity_check
from perfgate.gate.comparison import Comparison
from perfgate.gate.generator import ONCE
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.pair import Pair


class CapacityWatch:
    """One gate's. A process that is kept from its processor for a second falls behind, whichever build it is; so what one
    pair shows of the candidate alone blocks only when a second pair of fresh processes shows it, too."""

    def __init__(self, policy: Policy, tell: Callable[[str], None]) -> None:
        self._policy = policy
        self._tell = tell
        self._asked = True
        self._once = False

    @property
    def doubtful(self) -> bool:
        """Whether the next pair must show what the last one showed."""
        return self._once and self._asked

    def check(self, pair: Pair) -> tuple[Pair, Comparison | None]:
        """The pair as it counts, and the final comparison where a build does not hold the rate."""
        if not self._asked:
            return pair, None
        found = capacity_check(pair, self._policy)
        if found is None or found.verdict.word is not Word.BLOCK:
            self._asked = False
            if self._once and found is None:
                self._tell("it holds the rate with fresh processes: the pair before does not count")
            return pair, found if found is None else self._counted(found)
        if self._once:
            self._asked = False
            return pair, self._counted(found)
        self._once = True
        self._tell(f"{found.verdict.reasons[0].text}; that blocks if the next pair shows it, too")
        return _not_counted(pair), None

    def _counted(self, found: Comparison) -> Comparison:
        return dataclasses.replace(found, pairs=2 if self._once else 1)


def _not_counted(pair: Pair) -> Pair:
    """Without its couples: there is a queue in them."""
    couples = tuple(dataclasses.replace(couple, dropped=couple.dropped or ONCE) for couple in pair.couples)
    return dataclasses.replace(pair, couples=couples)
