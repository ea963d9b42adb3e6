"""One load on several agents: prepared on all, started together, handed over where one is lost, waited for.

What a lost agent may have sent is known without asking it: nothing that is due after its last permit. Its lanes go to the
others from that time of the run's clock on, so that every request of the plan has one sender at most, whatever became of the
lost one and whenever it comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from perfgate.address import Address
from perfgate.errors import FleetError, InputError, MeasurementError
from perfgate.plan import LANES, Plan, share_lanes
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment
from perfgate.targets.model import Target
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate_controller.fleet_story import FleetStory, Loss, Start
from perfgate_controller.link import AgentLink
from perfgate_controller.load_part import LoadPart, LoadResult

T = TypeVar("T")

START_DELAY_NS = 150 * NS_PER_MS
"""From the last agent's being ready to the common start, beside the longest way there: for the order to arrive everywhere."""
END_S = 2.5
COUNTED_MOST_NS = 300 * NS_PER_S


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What is loaded with what, and when."""

    scenario: Scenario
    seed: int
    target: Target
    addresses: Mapping[Arm, Address]
    segments: tuple[Segment, ...]
    epoch: int

    @property
    def end_ns(self) -> int:
        """On the run's clock."""
        return max((segment.end_ns for segment in self.segments), default=0)


class SharedLoad:
    """`links`: those that load. What happens to them is told to `story`."""

    def __init__(self, links: Sequence[AgentLink], order: LoadOrder, story: FleetStory) -> None:
        self._links = tuple(links)
        self._order = order
        self._story = story
        self._losses: list[Loss] = []

    async def run(self) -> list[LoadResult]:
        """After `prepare`. Cancelling it ends the load; what was measured until then still arrives. Raises FleetError when an
        agent is lost and nobody can take over."""
        try:
            await self._start()
            results = await self._finish()
            self._tell_start()
            return results
        except BaseException:
            await asyncio.shield(self._end())
            raise
        finally:
            self._story.losses += await asyncio.to_thread(lambda: [self._counted(loss) for loss in self._losses])

    async def prepare(self) -> None:
        """Everything before the start. Raises FleetError for an agent that is lost, or refuses."""
        order, shares = self._order, share_lanes(LANES, [capacity(link) for link in self._links])
        await at_once(
            link.prepare_load(
                order.scenario, order.seed, order.target, dict(order.addresses), order.segments, lanes,
                len(self._links), order.epoch,
            )
            for link, lanes in zip(self._links, shares, strict=True)
        )  # fmt: skip

    async def _start(self) -> None:
        await at_once(link.measure_clock() for link in self._links)
        trip_ns = 2 * max(link.clock.bound_ns for link in self._links)
        start_ns = time.monotonic_ns() + START_DELAY_NS + 2 * trip_ns
        await at_once(link.start_at(start_ns) for link in self._links)

    async def _finish(self) -> list[LoadResult]:
        waiting = {asyncio.ensure_future(link.finished()): link for link in self._links}
        results: list[LoadResult] = []
        try:
            while waiting:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    link = waiting.pop(future)
                    try:
                        results.append(future.result())
                    except FleetError as lost:
                        if link.lost is None:
                            raise
                        await self._hand_over(link, lost, list(waiting.values()))
        finally:
            for future in waiting:
                future.cancel()
        if not results:
            raise FleetError("all agents were lost before the load was over")
        return results

    async def _hand_over(self, link: AgentLink, lost: FleetError, others: Sequence[AgentLink]) -> None:
        """Raises FleetError where the store went with it, or nobody can take its lanes."""
        part = link.part
        assert part is not None
        if link.stores:
            raise lost
        loss = Loss(
            self._order.epoch, link.name, str(lost), link.heard_ns - part.start_ns, part.permit_ns,
            tuple(sorted(part.lanes)), {}, None,
        )  # fmt: skip
        self._losses.append(loss)
        taken: dict[str, tuple[int, ...]] = {}
        resumed_ns: int | None = None
        for from_ns, lanes in sorted(due_from(part).items()):
            if from_ns < self._order.end_ns:
                got, since_ns = await _give(lanes, from_ns, others, lost)
                taken = {name: (*taken.get(name, ()), *got.get(name, ())) for name in {**taken, **got}}
                resumed_ns = max(resumed_ns or 0, since_ns)
        self._losses[-1] = replace(loss, taken=taken, resumed_ns=resumed_ns)
        self._story.tell(str(self._losses[-1]))

    def _counted(self, loss: Loss) -> Loss:
        """With the number of requests that nobody knows of: what it had to send until others did, without what came in. Of
        a long load only since what came in last."""
        parts = {link.name: link.part for link in self._links if link.part is not None}
        part, end_ns = parts[loss.agent], self._order.end_ns
        resumed = {lane: parts[agent].lanes[lane] for agent, lanes in loss.taken.items() for lane in lanes}
        long = min(loss.resumed_ns or end_ns, end_ns) > COUNTED_MOST_NS
        windows: dict[tuple[int, int], list[int]] = {}
        for lane, since_ns in part.lanes.items():
            window = (part.received_ns if long else since_ns, min(resumed.get(lane, end_ns), end_ns))
            windows.setdefault(window, []).append(lane)
        planned = sum(self._planned(lanes, *window) for window, lanes in windows.items())
        return replace(loss, unknown=planned if long else planned - part.counts.due)

    def _planned(self, lanes: Sequence[int], since_ns: int, until_ns: int) -> int:
        """Requests of these lanes that are due from since_ns until until_ns of the run's clock."""
        plan, count = Plan(self._order.scenario, self._order.seed), 0
        for segment in self._order.segments:
            shift = segment.offset_ns - segment.plan_start_ns
            begin, end = max(since_ns, segment.offset_ns), min(until_ns, segment.end_ns)
            for start in range(begin, end, NS_PER_S):
                count += len(plan.window(lanes, start - shift, min(start + NS_PER_S, end) - shift))
        return count

    def _tell_start(self) -> None:
        """Of one agent alone there is nothing to say."""
        started = [
            (link.part.began_ns - link.clock.offset_ns - link.part.start_ns, link.clock.bound_ns)
            for link in self._links
            if link.part is not None and link.part.began_ns is not None
        ]
        if len(started) > 1:
            late = [late_ns for late_ns, _ in started]
            bound_ns = sum(sorted(bound for _, bound in started)[-2:])
            self._story.starts.append(Start(self._order.epoch, max(late) - min(late), bound_ns, max(late)))

    async def _end(self) -> None:
        """Nobody goes on when one has failed; late results are waited for, but not long."""
        here = [link for link in self._links if link.lost is None]
        with contextlib.suppress(Exception):
            async with asyncio.timeout(END_S):
                await asyncio.gather(*(link.stop_load() for link in here), return_exceptions=True)
                begun = [link for link in here if link.part is not None and link.part.running]
                await asyncio.gather(*(link.finished() for link in begun), return_exceptions=True)


def capacity(link: AgentLink) -> float:
    """What an agent can send, in proportion to the others: its workers, by the weight that the fleet file gives them."""
    return link.workers * link.member.weight


def due_from(part: LoadPart) -> dict[int, list[int]]:
    """The lanes of a part by the time from which somebody else is to send them: after the last permit, and never before the
    part itself sent them."""
    times: dict[int, list[int]] = {}
    for lane, since_ns in sorted(part.lanes.items()):
        times.setdefault(max(part.permit_ns, since_ns), []).append(lane)
    return times


async def _give(
    lanes: Sequence[int], from_ns: int, others: Sequence[AgentLink], lost: FleetError
) -> tuple[dict[str, tuple[int, ...]], int]:
    """To those that are there and have capacity: who took which, and since when all are sent again. Raises FleetError."""
    able, left, since_ns = [one for one in others if one.lost is None], list(lanes), from_ns
    taken: dict[str, tuple[int, ...]] = {}
    refusals: list[str] = []
    while left:
        if not able:
            why = "; ".join(refusals) or "no other agent is loading"
            raise FleetError(f"{lost}; nobody can take over its {len(left)} lanes: {why}")
        parts = share_lanes(len(left), [capacity(one) for one in able])
        shares = [(one, [left[place] for place in part]) for one, part in zip(able, parts, strict=True) if part]
        answers = await asyncio.gather(*(one.take_lanes(part, from_ns) for one, part in shares), return_exceptions=True)
        left = []
        for (one, part), answer in zip(shares, answers, strict=True):
            if isinstance(answer, int):
                taken[one.name] = (*taken.get(one.name, ()), *part)
                since_ns = max(since_ns, answer)
            elif isinstance(answer, FleetError | InputError | MeasurementError):
                refusals.append(str(answer))
                left += part
                able.remove(one)
            else:
                raise answer
    return taken, since_ns


async def at_once(work: Iterable[Awaitable[T]]) -> list[T]:
    """Side by side; the first failure is raised bare, without waiting for the rest."""
    return list(await asyncio.gather(*work))
