"""What a fleet went through while it loaded: how far apart its agents started, and who was lost when. JSON-ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perfgate.units import NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True)
class Start:
    """Of one load: spread_ns between the first and the last agent's start, each by its own clock brought to the
    controller's, which is known to within bound_ns; late_ns: of the last one against the time agreed on."""

    epoch: int
    spread_ns: int
    bound_ns: int
    late_ns: int


@dataclass(frozen=True, slots=True)
class Loss:
    """An agent that was lost in the middle of a load. Times are on the run's clock. heard_ns: when it was heard last;
    permit_ns: what was due before it may have sent, and nothing else. taken: by whom its lanes were taken over; resumed_ns:
    since when all of them are sent again (None: nobody took them: the load was over by then, or, where they are orphaned,
    nobody could). unknown: requests due
    between what had come in of it and that, of which nobody knows whether they were sent; -1: not counted. worker: the one of
    the agent's that was lost; empty: the agent itself was."""

    epoch: int
    agent: str
    reason: str
    heard_ns: int
    permit_ns: int
    lanes: tuple[int, ...]
    taken: Mapping[str, tuple[int, ...]]
    resumed_ns: int | None
    unknown: int = -1
    worker: str = ""
    orphaned: bool = False

    @property
    def who(self) -> str:
        return self.worker or self.agent

    def __str__(self) -> str:
        """A sentence for reports."""
        rest = f"{len(self.lanes)} lanes"
        if not self.lanes:
            return f"{self.reason}; it had sent nothing of the load that was to begin, and the others share all of it"
        if self.orphaned:
            what = f"nobody could take over its {rest}"
        elif self.resumed_ns is None:
            what = f"its {rest} had nothing left to send"
        else:
            gap = (self.resumed_ns - self.heard_ns) / NS_PER_S
            what = f"its {rest} went to {', '.join(self.taken)} {gap:.1f} s after it was heard last"
        unknown = f"; of {self.unknown} requests nobody knows whether it had sent them" if self.unknown > 0 else ""
        return f"{self.reason}; {what}{unknown}"


@dataclass(slots=True)
class FleetStory:
    """Of one session of a fleet, load after load."""

    starts: list[Start] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    tell: Callable[[str], None] = lambda text: None
    """Called as soon as an agent is lost, for whoever watches."""

    @property
    def worst_start(self) -> Start | None:
        """The load whose agents started furthest apart."""
        return max(self.starts, key=lambda start: start.spread_ns, default=None)

    def losses_of(self, epoch: int) -> list[Loss]:
        return [loss for loss in self.losses if loss.epoch == epoch]

    def to_json(self) -> dict[str, Any]:
        """Nothing for a fleet of one agent that nothing happened to."""
        told: dict[str, Any] = {}
        if (worst := self.worst_start) is not None:
            told["starts"] = {
                "loads": len(self.starts),
                "spread_ms": worst.spread_ns / NS_PER_MS,
                "known_to_ms": worst.bound_ns / NS_PER_MS,
                "late_ms": max(start.late_ns for start in self.starts) / NS_PER_MS,
            }
        if self.losses:
            told["lost"] = {
                loss.who: {
                    "text": str(loss),
                    "heard_s": loss.heard_ns / NS_PER_S,
                    "permit_s": loss.permit_ns / NS_PER_S,
                    "resumed_s": None if loss.resumed_ns is None else loss.resumed_ns / NS_PER_S,
                    "lanes": list(loss.lanes),
                    "taken": {agent: list(lanes) for agent, lanes in loss.taken.items()},
                    "unknown": loss.unknown,
                }
                for loss in self.losses
            }
        return told
