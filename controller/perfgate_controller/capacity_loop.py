"""The highest rate that a store holds under a p99 limit: trial after trial, each on a fresh process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from perfgate.address import Address
from perfgate.capacity_search import Found, Trial, found, next_rung
from perfgate.errors import FleetError, MeasurementError, TargetError
from perfgate.gate.capacity import fell_behind
from perfgate.gate.generator import cut_reason, run_problems
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.progress import Note, PhaseProgress, Progress
from perfgate.scenario.ladder import LadderPlan
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.model import Target
from perfgate.units import NS_PER_MS, NS_PER_S, format_count, format_duration
from perfgate_controller.collect import Collector
from perfgate_controller.fleet import Fleet
from perfgate_controller.fleet_reasons import loss_text
from perfgate_controller.phases import Phases

VOIDS_MOST = 3
"""Trials of one rate that the load generator spoils before the search ends there."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What it means to hold a rate. p99_ns: of all operations together; max_error_rate: of all requests."""

    p99_ns: float
    max_error_rate: float


@dataclass(frozen=True, slots=True)
class CapacityRequest:
    """variant: the build to start for each trial. policy: its thresholds for the load generator decide which trials count."""

    plan: LadderPlan
    limit: Limit
    seed: int
    target: Target
    variant: str
    directory: Path
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Measured:
    """One trial. held: None where it does not count, for `why`. rate: offered; answered: a second, in its time."""

    rung: int
    rate: float
    held: bool | None
    why: str
    p99_ns: float
    answered: float
    failed_share: float


@dataclass(frozen=True, slots=True)
class CapacityResult:
    """ended: empty where the search came to its end; otherwise why it did not."""

    found: Found
    trials: tuple[Measured, ...]
    ended: str = ""


class CapacityHunt:
    """`run` returns the result, whatever the search came to."""

    def __init__(self, request: CapacityRequest, fleet: Fleet, progress: Progress) -> None:
        self._request = request
        self._fleet = fleet
        self._progress = progress
        self._phases = Phases(progress)
        self._made: list[Measured] = []

    async def run(self) -> CapacityResult:
        """Raises PerfgateError where a store or an agent does not do its part."""
        request, host = self._request, self._fleet.host
        scenario = request.plan.scenario
        self._fleet.on_progress(lambda phase, fraction: self._progress.handle(PhaseProgress(phase, fraction)))
        with self._phases.phase("data", f"{scenario.data.num_nodes:,} memories"):
            await self._fleet.prepare_data(scenario, request.seed)
        if request.target.host and request.target.host.copyable:
            with self._phases.phase(f"load {request.variant}", "once, to be copied for each process"):
                await host.install(request.target.name, request.variant, scenario, request.seed)
        ended = ""
        with self._phases.phase("search", f"at most {request.plan.ladder.most} trials"):
            while not ended and (rung := next_rung(self._counted(), request.plan.ladder)) is not None:
                self._made.append(await self._trial(rung))
                self._progress.handle(Note(describe(len(self._made), self._made[-1])))
                ended = self._spoilt(rung)
        return CapacityResult(found(self._counted(), request.plan.ladder), tuple(self._made), ended)

    def _counted(self) -> list[Trial]:
        return [Trial(one.rung, one.held) for one in self._made if one.held is not None]

    def _spoilt(self, rung: int) -> str:
        void = [one for one in self._made if one.rung == rung and one.held is None]
        if len(void) < VOIDS_MOST:
            return ""
        return f"{len(void)} trials at {format_count(void[-1].rate)} requests/s do not count: {void[-1].why}"

    async def _trial(self, rung: int) -> Measured:
        request, plan = self._request, self._request.plan
        start_ns = plan.start_ns(rung, sum(one.rung == rung for one in self._made))
        segments = trial_segments(start_ns, plan.warmup_ns, plan.trial_ns)
        collector = Collector(segments, lambda interval: None)
        async with self._store() as address:
            self._fleet.on_interval(collector.take)
            results = await self._fleet.load(
                plan.scenario, request.seed, request.target, {Arm.BASE: address}, segments
            )  # fmt: skip
        total = collector.total(Arm.BASE)
        if total is None:
            raise MeasurementError("nothing was measured in a trial; look at the agent's log")
        workers = collector.workers(report for result in results for report in result.reports)
        if lost := loss_text(self._fleet.story, self._fleet.epoch):
            return judged(rung, plan, total, request.limit, lost)
        if was_cut(total):
            # Requests that were never sent are the store's doing then, unless a worker was at its limits.
            fault = cut_reason([total], workers, request.policy)
        else:
            fault = next(iter(run_problems(workers, total, request.policy)), None)
        return judged(rung, plan, total, request.limit, fault.text if fault else "")

    @contextlib.asynccontextmanager
    async def _store(self) -> AsyncIterator[Address]:
        """A fresh process for one trial: what an overload leaves behind must not be the next trial's."""
        request, host = self._request, self._fleet.host
        (process,) = await host.launch(request.target.name, [request.variant], request.plan.scenario, request.seed)
        died: list[str] = []
        host.on_exit = lambda handle, status, output: died.append(f"it ended with status {status}: {output}")
        try:
            yield process.address
        finally:
            host.on_exit = lambda handle, status, output: None
            with contextlib.suppress(FleetError, TargetError):
                await host.terminate(process.handle)
        if died:
            raise TargetError(f"the store did not survive a trial: {died[0]}")


def trial_segments(start_ns: int, warmup_ns: int, trial_ns: int) -> tuple[Segment, ...]:
    """Warm-up and measured time of one trial, whose requests begin at start_ns of the plan."""
    measured_at = start_ns + warmup_ns
    measured = Segment(1, Arm.BASE, SegmentKind.MEASURED, 0, measured_at, measured_at + trial_ns, warmup_ns)
    if not warmup_ns:
        return (measured,)
    return Segment(0, Arm.BASE, SegmentKind.WARMUP, -1, start_ns, measured_at, 0), measured


def judged(rung: int, plan: LadderPlan, total: Interval, limit: Limit, fault: str) -> Measured:
    """fault: what the load generator did wrong; then the trial does not count, whatever it says."""
    pooled = Histogram.merge([part.response for part in total.operations.values()])
    p99_ns = float(pooled.quantile(0.99)) if pooled.total else float("inf")
    failed = total.failures / total.total if total.total else 1.0
    seconds = max(plan.trial_ns, total.last_done_ns - total.start_ns) / NS_PER_S
    reasons = [
        (was_cut(total), "load was cut: it fell behind beyond the bound"),
        (failed > limit.max_error_rate, f"{100 * failed:.3g} % failed"),
        (fell_behind(total), "its queue grew to the end"),
        (p99_ns > limit.p99_ns, f"p99 {format_duration(p99_ns)}"),
    ]
    why = next((text for broken, text in reasons if broken), "")
    held: bool | None = not why
    if fault:
        held, why = None, fault
    return Measured(rung, plan.ladder.rate(rung), held, why, p99_ns, total.completed / seconds, failed)


def was_cut(total: Interval) -> bool:
    """Whether more was under way than the bound, so that load was stopped."""
    return any(part.outcomes[Outcome.ABANDONED] for part in total.operations.values())


def describe(number: int, one: Measured) -> str:
    """A trial in a line."""
    word = "does not count" if one.held is None else "held" if one.held else "not held"
    why = f" ({one.why})" if one.why else f" (p99 {one.p99_ns / NS_PER_MS:.3g} ms)"
    return f"trial {number}: {format_count(one.rate)} requests/s {word}{why}"
