"""One worker's part of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.address import Address
from perfgate.plan import Plan
from perfgate.segment import Arm, Segment, together
from perfgate.targets.adapter import Adapter
from perfgate.units import NS_PER_S

BACKLOG_MIN = 1_000
BACKLOG_MOST = 100_000
"""More than a worker can send in a second: a longer queue would take memory and tell nothing more."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which lanes of the plan are sent, where, and within what bounds.

    connections: the most to one store. timeout_ns: of a request, from its intended time. closed_loop: send whenever a
    connection is free, whatever the plan's times say, until its segments' end; for benchmarks only, and only in the
    engine, since a closed loop hides what requests would have waited for. drain_ns: how long replies are waited for once
    the end has come early. lost_ns: a store that refuses every connection for so long is lost. backlog_min,
    backlog_most: bounds of `backlog`.
    """

    name: str
    plan: Plan
    lanes: tuple[int, ...]
    segments: tuple[Segment, ...]
    addresses: Mapping[Arm, Address]
    adapters: Mapping[Arm, Adapter]
    connections: int
    timeout_ns: int
    closed_loop: bool = False
    drain_ns: int = NS_PER_S
    lost_ns: int = NS_PER_S
    backlog_min: int = BACKLOG_MIN
    backlog_most: int = BACKLOG_MOST

    @property
    def rate(self) -> float:
        """Requests per second to one store, on average."""
        return self.plan.mean_rate * (1 + self.plan.extra_share) * len(self.lanes) / self.plan.lanes

    @property
    def send_rate(self) -> float:
        """Requests per second that are sent: twice as many where both stores are loaded at once."""
        return self.rate * max((len(group) for group in together(self.segments)), default=1)

    @property
    def backlog(self) -> int:
        """Requests under way to one store at which the load is cut: about a second's, within its bounds."""
        return min(max(self.backlog_min, round(self.rate)), self.backlog_most)
