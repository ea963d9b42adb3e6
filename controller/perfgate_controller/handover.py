"""Lanes that nobody sends any more, given to whoever can."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perfgate.errors import FleetError, InputError, MeasurementError
from perfgate.plan import share_lanes
from perfgate_controller.link import AgentLink


def capacity(link: AgentLink) -> float:
    """What an agent can send, in proportion to the others: its workers, by the weight that the fleet file gives them."""
    return link.workers * link.member.weight


def due_from(lanes: Mapping[int, int], until_ns: int) -> dict[int, list[int]]:
    """Lanes (with the time since when they were sent) by the time from which somebody else is to send them: when what may
    have been sent ends, and never before they were sent at all."""
    times: dict[int, list[int]] = {}
    for lane, since_ns in sorted(lanes.items()):
        times.setdefault(max(until_ns, since_ns), []).append(lane)
    return times


@dataclass(slots=True)
class Given:
    """taken: by agent. resumed: since when each lane is really sent again. left: whom nobody took, and why."""

    taken: dict[str, tuple[int, ...]] = field(default_factory=dict)
    resumed: dict[int, int] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def why(self) -> str:
        return "; ".join(self.refusals) or "no other agent is loading"

    async def give(self, lanes: Sequence[int], from_ns: int, others: Sequence[AgentLink]) -> None:
        """To those that are there and have capacity; what is over is added to `left`."""
        able, left = [one for one in others if one.lost is None], list(lanes)
        while left and able:
            parts = share_lanes(len(left), [capacity(one) for one in able])
            shares = [(one, [left[place] for place in part]) for one, part in zip(able, parts, strict=True) if part]
            answers = await asyncio.gather(
                *(one.take_lanes(part, from_ns) for one, part in shares), return_exceptions=True
            )
            left = []
            for (one, part), answer in zip(shares, answers, strict=True):
                if isinstance(answer, int):
                    self.taken[one.name] = (*self.taken.get(one.name, ()), *part)
                    self.resumed.update(dict.fromkeys(part, answer))
                elif isinstance(answer, FleetError | InputError | MeasurementError):
                    self.refusals.append(str(answer))
                    left += part
                    able.remove(one)
                else:
                    raise answer
        self.left += left
