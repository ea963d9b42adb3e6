"""One load on several agents: prepared on all, started together, handed over where one is lost, waited for.

What a lost agent may have sent is known without asking it: nothing that is due after its last permit. Its lanes go to the
others from that time of the run's clock on, so that every request of the plan has one sender at most, whatever became of the
lost one and whenever it comes back. Of a worker that has died the agent says itself until when it may have sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from perfgate.address import Address
from perfgate.errors import FleetError
from perfgate.plan import LANES, Plan, share_lanes
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment
from perfgate.targets.model import Target
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate_controller.fleet_story import FleetStory, Loss, Start
from perfgate_controller.handover import Given, capacity, due_from
from perfgate_controller.link import AgentLink
from perfgate_controller.load_part import LoadResult

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


@dataclass(slots=True)
class _Lost:
    """A loss that is not counted yet. lanes: since when each was to be sent. resumed: since when each is sent by others.
    due: requests of it that came in."""

    loss: Loss
    lanes: Mapping[int, int]
    due: int
    resumed: Mapping[int, int] = field(default_factory=dict)

    def end(self, given: Given, orphaned: bool = False) -> None:
        """What has become of its lanes."""
        self.resumed = given.resumed
        resumed_ns = None if orphaned else max(given.resumed.values(), default=None)
        self.loss = replace(self.loss, taken=given.taken, resumed_ns=resumed_ns, orphaned=orphaned)


class SharedLoad:
    """`links`: those that load. What happens to them is told to `story`."""

    def __init__(self, links: Sequence[AgentLink], order: LoadOrder, story: FleetStory) -> None:
        self._links = tuple(links)
        self._order = order
        self._story = story
        self._losses: list[_Lost] = []

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
            self._story.losses += await asyncio.to_thread(lambda: [self._counted(lost) for lost in self._losses])

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
        waiting: dict[asyncio.Future[LoadResult], AgentLink] = {
            asyncio.ensure_future(link.finished()): link for link in self._links
        }
        results: list[LoadResult] = []
        fell = asyncio.Event()
        for link in self._links:
            assert link.part is not None
            link.part.on_fallen = fell.set
        try:
            while True:
                await self._replace_fallen(fell, list(waiting.values()))
                if not waiting:
                    break
                done = await _first_of(waiting, fell)
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

    async def _replace_fallen(self, fell: asyncio.Event, here: Sequence[AgentLink]) -> None:
        """Lanes of workers that have died go to others of the same agent, or else to other agents. Raises FleetError where
        nobody can take them."""
        fell.clear()
        for link in self._links:
            while link.part is not None and link.part.fallen:
                fallen = link.part.fallen.popleft()
                if not fallen.lanes:  # it had nothing to send, and so nothing is missing
                    continue
                lost = FleetError(f"worker {fallen.worker} was lost: its process ended in the middle of the load")
                loss = Loss(
                    self._order.epoch, link.name, str(lost), fallen.ended_ns, fallen.ended_ns,
                    tuple(sorted(fallen.lanes)), {}, None, worker=fallen.worker,
                )  # fmt: skip
                left = len(link.part.past) < link.workers
                own, others = [one for one in here if one is link and left], [one for one in here if one is not link]
                await self._give_away(_Lost(loss, fallen.lanes, due=fallen.due), [own, others])

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
        due = part.counts.due - sum(past.due for past in part.past)
        await self._give_away(_Lost(loss, dict(part.lanes), due=due), [others])

    async def _give_away(self, lost: _Lost, groups: Sequence[Sequence[AgentLink]]) -> None:
        """From the time on when what may have been sent ends; to the first of these groups that can. Raises FleetError where
        none can."""
        self._losses.append(lost)
        given, loss = Given(), lost.loss
        for from_ns, lanes in sorted(due_from(lost.lanes, loss.permit_ns).items()):
            left = lanes if from_ns < self._order.end_ns else []
            for group in groups:
                await given.give(left, from_ns, group)
                left, given.left = given.left, []
            if left:
                lost.end(given, orphaned=True)
                raise FleetError(f"{loss.reason}; nobody can take over its {len(left)} lanes: {given.why}")
        lost.end(given)
        self._story.tell(str(lost.loss))

    def _counted(self, lost: _Lost) -> Loss:
        """With the number of requests that nobody knows of: what was to be sent until others did, without what came in. Of
        a long load only since what came in last."""
        loss, end_ns = lost.loss, self._order.end_ns
        part = next(link.part for link in self._links if link.name == loss.agent)
        assert part is not None
        long = min(loss.resumed_ns or end_ns, end_ns) > COUNTED_MOST_NS
        received_ns = part.received_of(loss.worker) if loss.worker else part.received_ns
        unsent_ns = min(loss.permit_ns, end_ns) if loss.orphaned else end_ns
        windows: dict[tuple[int, int], list[int]] = {}
        for lane, since_ns in lost.lanes.items():
            window = (received_ns if long else since_ns, min(lost.resumed.get(lane, unsent_ns), end_ns))
            windows.setdefault(window, []).append(lane)
        planned = sum(self._planned(lanes, *window) for window, lanes in windows.items())
        return replace(loss, unknown=max(0, planned if long else planned - lost.due))

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


async def _first_of(
    waiting: Mapping[asyncio.Future[LoadResult], AgentLink], fell: asyncio.Event
) -> set[asyncio.Future[LoadResult]]:
    """Those that have ended first; none where a worker has fallen, since its lanes come before everything else."""
    falling = asyncio.ensure_future(fell.wait())
    try:
        both: set[asyncio.Future[Any]] = {*waiting, falling}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        falling.cancel()
    return set() if fell.is_set() else {future for future in waiting if future.done()}


async def at_once(work: Iterable[Awaitable[T]]) -> list[T]:
    """Side by side; the first failure is raised bare, without waiting for the rest."""
    return list(await asyncio.gather(*work))
