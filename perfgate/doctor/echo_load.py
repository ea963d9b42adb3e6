"""Drives the echo as a gate drives a pair of stores: a real agent and worker, slices in turn, the same requests for both
arms. Both arms are the same process, so whatever differs between them is noise of host and generator."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from perfgate_controller.collect import Collector
from perfgate_controller.fleet import Fleet, dial
from perfgate_controller.link import LoadResult
from perfgate_controller.local import LocalAgents, local_agents
from perfgate_controller.member import OWN
from perfgate_controller.schedule import PairSchedule, schedule_pair, slice_length_ns

from perfgate.address import Address
from perfgate.doctor.child import echo_server
from perfgate.doctor.echo_scenario import echo_target
from perfgate.gate.generator import drop_laggards
from perfgate.gate.policy import Policy
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.pair import Pair
from perfgate.progress import PhaseProgress, PhaseStarted, Progress
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.units import NS_PER_S, format_count

PHASE = "echo"
NUMBER = 1
"""Of the pair: the first one has a longer warm-up, to see whether a store can hold the rate."""
WARMUP_NS = NS_PER_S // 2
TELL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class EchoOrder:
    """What is sent, how long in all, by how many workers, where the echo may run."""

    scenario: Scenario
    policy: Policy
    seconds: float
    workers: int
    store_cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EchoResult:
    """total: all measured slices of both arms. pair: the same as the gate sees them. slice_ns: of the schedule."""

    pair: Pair
    total: Interval
    reports: tuple[LoadReport, ...]
    slice_ns: int
    measured_ns: int


async def drive_echo(order: EchoOrder, progress: Progress) -> EchoResult:
    """Raises PerfgateError when agent, worker or echo cannot do their part."""
    schedule, slice_ns = echo_schedule(order)
    progress.handle(PhaseStarted(PHASE, "starting an agent, a worker and the echo"))
    async with _fleet(order) as (fleet, port):
        await fleet.prepare_data(order.scenario, order.scenario.seed)
        collector = Collector(schedule.segments, lambda interval: None)
        fleet.on_interval(collector.take)
        address = Address("127.0.0.1", port)
        rate = format_count(order.scenario.arrival.parameters["rate"])
        progress.handle(PhaseStarted(PHASE, f"{rate} requests a second against the least a server can do"))
        async with _telling(schedule.duration_ns, progress):
            results = await fleet.load(
                order.scenario, order.scenario.seed, echo_target(), dict.fromkeys(Arm, address), schedule.segments
            )
    return _result(schedule, collector, results, order.policy, slice_ns)


def echo_schedule(order: EchoOrder) -> tuple[PairSchedule, int]:
    """A pair of the gate, as long as asked, and the length of its slices."""
    slice_ns = slice_length_ns(order.policy, order.scenario, order.scenario.arrival.parameters["rate"])
    measured_ns = max(slice_ns, round(order.seconds * NS_PER_S / len(Arm)))
    policy = dataclasses.replace(order.policy, warmup_ns=WARMUP_NS, measured_ns=measured_ns)
    return schedule_pair(policy, slice_ns, order.scenario.seed, NUMBER, 0), slice_ns


@contextlib.asynccontextmanager
async def _fleet(order: EchoOrder) -> AsyncIterator[tuple[Fleet, int]]:
    """An agent with nothing to start, in a directory that is removed, and the echo's port."""
    with tempfile.TemporaryDirectory(prefix="perfgate-doctor-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        wanted = LocalAgents(1, order.workers, (), directory / "cache", directory / "work")
        async with (
            echo_server(order.store_cpus) as port,
            local_agents(wanted, directory) as addresses,
            dial(addresses, "doctor", patience=OWN) as fleet,
        ):
            yield fleet, port


@contextlib.asynccontextmanager
async def _telling(duration_ns: int, progress: Progress) -> AsyncIterator[None]:
    async def tell() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            progress.handle(PhaseProgress(PHASE, min(1.0, (loop.time() - began) * NS_PER_S / duration_ns)))

    task = asyncio.ensure_future(tell())
    try:
        yield
    finally:
        task.cancel()


def _result(
    schedule: PairSchedule, collector: Collector, results: list[LoadResult], policy: Policy, slice_ns: int
) -> EchoResult:
    couples = tuple(drop_laggards(couple, policy) for couple in collector.couples(schedule))
    nothing = dict.fromkeys(Arm, 0)
    pair = Pair(
        NUMBER, couples, collector.warmups(), nothing, nothing, dict.fromkeys(Arm, ()),
        max((result.steal_fraction for result in results), default=0.0),
    )  # fmt: skip
    slices = [dataclasses.replace(couple.arm(arm), segment=0) for couple in couples for arm in Arm]
    return EchoResult(
        pair=pair,
        total=Interval.merge(slices),
        reports=tuple(report for result in results for report in result.reports),
        slice_ns=slice_ns,
        measured_ns=sum(segment.duration_ns for segment in collector.measured()),
    )
