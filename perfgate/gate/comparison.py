"""The comparison of two builds after some number of pairs: effects and verdict."""

from __future__ import annotations

from dataclasses import dataclass

from perfgate.gate.effect import Effect
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """`final` is False while the rule asks for more pairs (then `verdict` is what it would be if nothing came).

    variance: share of the primary metric's variance by source (restart, within, drift), where it can be told.
    """

    policy: Policy
    pairs: int
    look: int
    final: bool
    effects: tuple[Effect, ...]
    verdict: Verdict
    variance: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()

    def effect(self, name: str) -> Effect:
        """The effect called `name`. Raises KeyError."""
        for effect in self.effects:
            if effect.name == name:
                return effect
        raise KeyError(name)
