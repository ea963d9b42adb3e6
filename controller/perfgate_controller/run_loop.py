"""One load run without a gate: against a fresh process, or a store that runs already."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perfgate.address import Address
from perfgate.errors import FleetError, PerfgateError, TargetError
from perfgate.gate.generator import cut_reason
from perfgate.gate.policy import Policy
from perfgate.interval import Interval
from perfgate.interval_log import IntervalWriter
from perfgate.load_report import LoadReport
from perfgate.progress import Note, PhaseProgress, Progress
from perfgate.run import RunRecord
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.targets.model import Target
from perfgate.units import format_duration
from perfgate_controller.collect import Collector
from perfgate_controller.fleet import Fleet
from perfgate_controller.fleet_reasons import fleet_notes, run_reasons
from perfgate_controller.installed import told_installed
from perfgate_controller.link import AgentLink, LoadResult
from perfgate_controller.phases import Phases
from perfgate_controller.record import run_record
from perfgate_controller.schedule import single_run
from perfgate_controller.thinned import ThinLog
from perfgate_controller.ticker import ticking

UNCHECKED = "the store's certificate was not checked ([tls] insecure = true): another server may have answered"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """variant: the build to start; or address: the store that runs already, whose data are verified first (and
    loaded where it is empty). policy: its thresholds for the load generator decide whether the run says anything."""

    scenario: Scenario
    seed: int
    target: Target
    variant: str
    directory: Path
    warmup_ns: int
    address: Address | None = None
    policy: Policy = field(default_factory=Policy)


class Watcher(Protocol):
    """Looks on while a run lasts."""

    def take(self, interval: Interval) -> None:
        """Everything that is recorded, as it comes."""
        ...

    def watching(self, host: AgentLink, handle: int | None) -> AbstractAsyncContextManager[None]:
        """Entered while the load runs. handle: of the store's process, where this session has started it."""
        ...

    def ended(self, text: str) -> None:
        """The store has ended by itself."""
        ...


class LoadRun:
    """`run` returns the record, complete or broken off (`RunRecord.complete`, with the reason among the warnings)."""

    def __init__(self, request: RunRequest, fleet: Fleet, progress: Progress, watcher: Watcher | None = None) -> None:
        self._request = request
        self._fleet = fleet
        self._progress = progress
        self._began_ns = time.monotonic_ns()
        self._began_wall_ns = time.time_ns()
        self._segments = single_run(request.scenario.duration_ns, request.warmup_ns)
        self._phases = Phases(progress)
        self._reports: list[LoadReport] = []
        fleet.story.tell = lambda text: progress.handle(Note(text))
        self._results: list[LoadResult] = []
        self._watcher = watcher
        self._handle: int | None = None

    async def run(self) -> RunRecord:
        """Raises PerfgateError only while nothing has been measured."""
        broken = ""
        with IntervalWriter(self._request.directory / "intervals.jsonl") as log:
            thin = ThinLog(lambda interval: log.append(0, interval), self._segments[-1].end_ns)
            collector = Collector(self._segments, self._keeping(thin))
            try:
                broken = await self._drive(collector)
            except PerfgateError as error:
                if not log.count:
                    raise
                broken = str(error)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.uncancel() > 0:
                    raise
                broken = "interrupted"
            finally:
                thin.close()
        return self._record(collector, broken)

    def _keeping(self, thin: ThinLog) -> Callable[[Interval], None]:
        watcher, measured = self._watcher, self._segments[-1].number
        if watcher is None:
            return thin.take

        def keep(interval: Interval) -> None:
            thin.take(interval)
            if interval.segment == measured:
                watcher.take(interval)

        return keep

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        if self._watcher is None:
            yield
            return
        async with self._watcher.watching(self._fleet.host, self._handle):
            yield

    async def _drive(self, collector: Collector) -> str:
        """Data, store, load. Returns why the run was cut short, or nothing."""
        request = self._request
        self._fleet.on_progress(lambda phase, fraction: self._progress.handle(PhaseProgress(phase, fraction)))
        with self._phases.phase("data", f"{request.scenario.data.num_nodes:,} memories"):
            await self._fleet.prepare_data(request.scenario, request.seed)
        async with self._store() as address:
            results = await self._load(collector, address)
        self._results = results
        self._reports = [report for result in results for report in result.reports]
        if any(report.lost for report in self._reports):
            return "the store stopped taking connections"
        if any(report.saturated for report in self._reports):
            return self._why_cut(collector)
        return ""

    def _why_cut(self, collector: Collector) -> str:
        """More was under way than the bound: whose doing that was."""
        recorded = [collector.segment(segment.number) for segment in self._segments]
        fault = cut_reason(recorded, collector.workers(self._reports), self._request.policy)
        if fault is None:
            return "the store fell so far behind the offered rate that load was stopped"
        return f"the load generator fell so far behind that load was stopped: {fault.text}; {fault.remedy}"

    async def _load(self, collector: Collector, address: Address) -> list[LoadResult]:
        request = self._request
        self._fleet.on_interval(collector.take)
        with self._phases.phase("measure", format_duration(request.scenario.duration_ns)):
            async with self._watched(), ticking(collector, self._progress, self._segments[-1].end_ns):
                return await self._fleet.load(
                    request.scenario, request.seed, request.target, {Arm.BASE: address}, self._segments
                )

    @contextlib.asynccontextmanager
    async def _store(self) -> AsyncIterator[Address]:
        request, host = self._request, self._fleet.host
        if request.address is not None:
            with self._phases.phase("verify data", str(request.address)):
                done = await host.populate(request.target, request.scenario, request.seed, request.address)
                did = f"loaded in {format_duration(done.load_ns)}" if done.loaded else "there already"
                self._progress.handle(Note(f"{done.memories:,} memories {did}"))
            yield request.address
            return
        with self._phases.phase(f"load {request.variant}", "data into a fresh process"):
            installed = await host.install(request.target.name, request.variant, request.scenario, request.seed)
            self._progress.handle(Note(told_installed(installed)))
        (process,) = await host.launch(request.target.name, [request.variant], request.scenario, request.seed)
        self._handle = process.handle
        died: list[str] = []
        host.on_exit = lambda handle, status, output: died.append(f"it ended with status {status}: {output}")
        try:
            yield process.address
        finally:
            with contextlib.suppress(FleetError, TargetError):
                await host.terminate(process.handle)
        if died and self._watcher is not None:
            self._watcher.ended(died[0])
        if died:
            raise TargetError(f"the store did not survive the run: {died[0]}")

    def _record(self, collector: Collector, broken: str) -> RunRecord:
        request = self._request
        build = str(request.address) if request.address else request.variant
        story = self._fleet.story
        unchecked = (UNCHECKED,) if request.address and request.address.insecure else ()
        notes = (*unchecked, *fleet_notes(story, request.policy))
        return run_record(
            request.scenario, request.seed, request.target, build, collector, broken, request.policy, self._reports,
            notes=notes, faults=run_reasons(story, self._results, request.policy), fleet=story.to_json(),
            started_wall_ns=self._began_wall_ns, duration_ns=time.monotonic_ns() - self._began_ns,
            phases=self._phases.taken, environment=self._fleet.environment,
        )  # fmt: skip
