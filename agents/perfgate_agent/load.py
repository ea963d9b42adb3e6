"""The load skill: shares a run's lanes over the worker processes, starts them together, gathers what they record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from perfgate.address import Address
from perfgate.errors import MeasurementError
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment
from perfgate.targets.model import Target
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.fallen import Fallen, Recorded
from perfgate_agent.messages import Began, Failed, Finished, IntervalMessage, LanesTaken, Prepare
from perfgate_agent.steal import read_cpu_ticks, stolen_share
from perfgate_agent.worker import WorkerHandle


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """One run of this agent: its lanes of the plan, to which addresses, when. agents: how many agents share the
    scenario's connections. connections: this agent's own share of them; 0: an equal one. epoch: which load of the session
    it is."""

    scenario: Scenario
    seed: int
    target: Target
    addresses: Mapping[Arm, Address]
    segments: tuple[Segment, ...]
    lanes: tuple[int, ...]
    agents: int
    connections: int = 0
    epoch: int = 0


class Load:
    """Owns the worker processes of one session; they live as long as it does and keep plan and data mapped."""

    def __init__(self, configuration: AgentConfiguration, directory: Path) -> None:
        self._configuration = configuration
        self._directory = directory
        self._workers: list[WorkerHandle] = []
        self._taking: dict[str, asyncio.Future[int]] = {}
        self._began: dict[str, int] = {}
        self._playing: dict[str, Recorded] = {}
        """Workers that have not ended this load, in their order."""
        self._running = False

    @property
    def running(self) -> bool:
        """From the start until all workers have reported."""
        return self._running

    async def prepare(self, order: LoadOrder) -> None:
        """Everything that can be done before the start. Raises MeasurementError when a worker cannot."""
        await self._spawn()
        own = order.connections or order.scenario.connection.connections // order.agents
        connections = max(1, own // len(self._workers))
        self._began.clear()
        shares = [order.lanes[number :: len(self._workers)] for number in range(len(self._workers))]
        self._playing = {worker.name: Recorded(lanes) for worker, lanes in zip(self._workers, shares, strict=True)}
        await asyncio.gather(
            *(
                worker.prepare(
                    Prepare(
                        scenario_json=order.scenario.source,
                        seed=order.seed,
                        target_json=order.target.source,
                        cache_dir=str(self._configuration.cache_dir),
                        lanes=lanes,
                        addresses=dict(order.addresses),
                        segments=order.segments,
                        connections=connections,
                    )
                )
                for worker, lanes in zip(self._workers, shares, strict=True)
            )
        )

    async def run(
        self, at_ns: int, emit: Callable[[Interval], None], permit_ns: int | None = None,
        began: Callable[[int], None] = lambda at_ns: None, fell: Callable[[Fallen], None] = lambda fallen: None,
    ) -> tuple[list[LoadReport], float]:  # fmt: skip
        """Start all workers at a time of this machine's monotonic clock; their reports and the share of CPU time that
        was stolen meanwhile. permit_ns: see `permit`; None: no end. began: told once, when the last worker has begun. fell:
        told of each worker that has died; its report is what it had recorded. Raises MeasurementError for a worker that
        cannot go on."""
        before, workers = read_cpu_ticks(), list(self._workers)
        self._running = True
        try:
            for worker in workers:
                worker.start_at(at_ns, permit_ns)
            reports = await asyncio.gather(*(self._to_its_end(one, emit, began, fell, at_ns) for one in workers))
        finally:
            self._running = False
            for worker in workers:
                self._give_up_taking(worker)
        return list(reports), stolen_share(before, read_cpu_ticks())

    def permit(self, until_ns: int) -> None:
        """Send nothing that is due from this time of the run's clock on, until a further permit comes."""
        if self._running:
            for worker in self._workers:
                worker.permit(until_ns)

    async def take_lanes(self, lanes: Sequence[int], from_ns: int) -> list[int]:
        """Send these lanes, too, from a time of the run's clock on; since when each really is. Raises MeasurementError where
        no load is running."""
        if not self._running or self._taking or not self._playing:
            raise MeasurementError("no load is running here that could take over lanes")
        able, loop = [one for one in self._workers if one.name in self._playing], asyncio.get_running_loop()
        self._taking = {worker.name: loop.create_future() for worker in able}
        try:
            for number, worker in enumerate(able):
                more = tuple(lanes[number :: len(able)])
                self._playing[worker.name].lanes += more
                worker.take_lanes(more, from_ns)
            since = await asyncio.gather(*(self._taking[worker.name] for worker in able))
        finally:
            self._taking = {}
        return [since[number % len(able)] for number in range(len(lanes))]

    def stop(self) -> None:
        """Ask for an early end; intervals and reports still come."""
        for worker in self._workers:
            worker.stop()

    async def close(self) -> None:
        """End the worker processes."""
        await asyncio.gather(*(worker.kill() for worker in self._workers), return_exceptions=True)
        self._workers.clear()

    async def _spawn(self) -> None:
        """Those that are not there: all at first, later those that have died."""
        settings = self._configuration
        self._workers = [worker for worker in self._workers if worker.alive]
        for number in range(settings.workers):
            name = f"{settings.name}/{number + 1}"
            if not any(worker.name == name for worker in self._workers):
                cpus = settings.worker_cpus[number : number + 1]
                self._workers.insert(number, await WorkerHandle.spawn(name, cpus))

    async def _to_its_end(
        self, worker: WorkerHandle, emit: Callable[[Interval], None], began: Callable[[int], None],
        fell: Callable[[Fallen], None], start_ns: int,
    ) -> LoadReport:  # fmt: skip
        """Its own report, or what there is of one that has died: what it had recorded."""
        recorded = self._playing[worker.name]
        report = await self._follow(worker, recorded, emit, began)
        del self._playing[worker.name]
        if report is not None:
            self._give_up_taking(worker)
            return report
        if worker.name in self._taking:  # nobody knows whether it had taken over what it was to
            raise MeasurementError(f"worker {worker.name} ended while it was to take over lanes of another one")
        ended_ns = time.monotonic_ns() - start_ns
        self._workers.remove(worker)
        await worker.kill()
        fell(Fallen(worker.name, tuple(sorted(recorded.lanes)), max(0, ended_ns), recorded.due))
        return recorded.report(worker.name)

    async def _follow(
        self, worker: WorkerHandle, recorded: Recorded, emit: Callable[[Interval], None], began: Callable[[int], None]
    ) -> LoadReport | None:
        """None where its process has ended."""
        async for message in worker.messages():
            if isinstance(message, IntervalMessage):
                recorded.take(message.interval)
                emit(message.interval)
            elif isinstance(message, Finished):
                return message.report
            elif isinstance(message, Failed):
                raise MeasurementError(f"worker {worker.name}: {message.text}")
            elif isinstance(message, LanesTaken):
                if (waiting := self._taking.get(worker.name)) and not waiting.done():
                    waiting.set_result(message.from_ns)
            elif isinstance(message, Began):
                self._began[worker.name] = message.monotonic_ns
                if len(self._began) == len(self._workers):
                    began(max(self._began.values()))
        return None

    def _give_up_taking(self, worker: WorkerHandle) -> None:
        """It has ended, and answers no more."""
        if (waiting := self._taking.get(worker.name)) and not waiting.done():
            waiting.set_exception(MeasurementError(f"worker {worker.name} ended before it could take over lanes"))
            waiting.exception()  # whoever waits sees it
