"""A constant rate."""

from __future__ import annotations

from dataclasses import dataclass

from perfgate.arrivals.process import Floats
from perfgate.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class ConstantRate:
    """Λ(t) = rate · t."""

    rate: float

    def expected(self, time_ns: Floats) -> Floats:
        return time_ns * (self.rate / NS_PER_S)

    def when(self, expected: Floats) -> Floats:
        return expected * (NS_PER_S / self.rate)
