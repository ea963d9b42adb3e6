"""The load skill: shares a run's lanes over the worker processes, starts them together, gathers what they record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
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
from perfgate_agent.messages import Failed, Finished, IntervalMessage, Prepare
from perfgate_agent.steal import read_cpu_ticks, stolen_share
from perfgate_agent.worker import WorkerHandle


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """One run of this agent: its lanes of the plan, to which addresses, when. agents: how many agents share the
    scenario's connections."""

    scenario: Scenario
    seed: int
    target: Target
    addresses: Mapping[Arm, Address]
    segments: tuple[Segment, ...]
    lanes: tuple[int, ...]
    agents: int


class Load:
    """Owns the worker processes of one session; they live as long as it does and keep plan and data mapped."""

    def __init__(self, configuration: AgentConfiguration, directory: Path) -> None:
        self._configuration = configuration
        self._directory = directory
        self._workers: list[WorkerHandle] = []

    async def prepare(self, order: LoadOrder) -> None:
        """Everything that can be done before the start. Raises MeasurementError when a worker cannot."""
        await self._spawn()
        connections = max(1, order.scenario.connection.connections // (order.agents * len(self._workers)))
        shares = [order.lanes[number :: len(self._workers)] for number in range(len(self._workers))]
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

    async def run(self, at_ns: int, emit: Callable[[Interval], None]) -> tuple[list[LoadReport], float]:
        """Start all workers at a time of this machine's monotonic clock; their reports and the share of CPU time that
        was stolen meanwhile. Raises MeasurementError when a worker dies."""
        before = read_cpu_ticks()
        reports = await asyncio.gather(*(_drive(worker, at_ns, emit) for worker in self._workers))
        return list(reports), stolen_share(before, read_cpu_ticks())

    def stop(self) -> None:
        """Ask for an early end; intervals and reports still come."""
        for worker in self._workers:
            worker.stop()

    async def close(self) -> None:
        """End the worker processes."""
        await asyncio.gather(*(worker.kill() for worker in self._workers), return_exceptions=True)
        self._workers.clear()

    async def _spawn(self) -> None:
        settings = self._configuration
        for number in range(len(self._workers), settings.workers):
            cpus = settings.worker_cpus[number : number + 1]
            self._workers.append(await WorkerHandle.spawn(f"{settings.name}/{number + 1}", cpus))


async def _drive(worker: WorkerHandle, at_ns: int, emit: Callable[[Interval], None]) -> LoadReport:
    worker.start_at(at_ns)
    async for message in worker.messages():
        if isinstance(message, IntervalMessage):
            emit(message.interval)
        elif isinstance(message, Finished):
            return message.report
        elif isinstance(message, Failed):
            raise MeasurementError(f"worker {worker.name}: {message.text}")
    raise MeasurementError(f"worker {worker.name} ended in the middle of the load; its part is lost")
