"""A store's turn in a round: a fresh process, warmed up, measured at each value of its search parameter, and ended."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from perfgate.address import Address
from perfgate.capacity_search import Trial, found, next_rung
from perfgate.compete.contender import Contender
from perfgate.compete.model import FAILING, SATURATED, OperationReading, Reading, Turn
from perfgate.compete.rotation import shuffled
from perfgate.errors import FleetError, TargetError
from perfgate.gate.capacity import fell_behind
from perfgate.gate.generator import cut_reason, run_problems
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.interval_log import IntervalWriter
from perfgate.progress import Progress
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.model import Target
from perfgate_controller.collect import Collector
from perfgate_controller.compete_request import CompeteRequest
from perfgate_controller.compete_watch import watching
from perfgate_controller.fleet import Fleet
from perfgate_controller.gate_loop import check_counts
from perfgate_controller.link import LoadResult, Running
from perfgate_controller.ticker import ticking


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back of one load. fault, blame: as of Reading."""

    interval: Interval
    fault: str
    blame: bool


class TurnPlayer:
    """Plays one turn after the other; nothing of a store is left when `play` returns."""

    def __init__(self, request: CompeteRequest, fleet: Fleet, log: IntervalWriter, progress: Progress) -> None:
        self._request = request
        self._fleet = fleet
        self._log = log
        self._progress = progress
        self._turns = self._segments = self._trials = 0
        self._running = 0
        self.other: list[float] = []

    async def play(self, round_number: int, store: int, place: int, rate_value: int | None) -> Turn:
        """rate_value: the value at which throughput is searched after the latencies; None: it is not. Raises TargetError for
        a store that does not start, or ends, or serves other data; FleetError when the agent is lost."""
        contender = self._request.contenders[store]
        self._turns += 1
        self._segments = 0
        order = shuffled(len(contender.targets), self._request.seed, round_number, store)
        if not contender.anew:
            return await self._serve(round_number, store, place, order, rate_value)
        turns = []
        for slot, value in enumerate(order):
            asked = rate_value if rate_value == value else None
            turns.append(await self._serve(round_number, store, place, [value], asked, slot))
        return _joined(turns)

    async def _serve(
        self, round_number: int, store: int, place: int, order: Sequence[int], rate_value: int | None, slot: int = 0
    ) -> Turn:
        """One process, at these values of its search parameter."""
        contender, policy = self._request.contenders[store], self._request.policy
        async with self._process(contender, order[0]) as running, watching(running.pid) as watch:
            windows, warm = await self._warm_up(contender.targets[order[0]], running.address, round_number)
            readings = []
            for step, value in enumerate(order):
                heard = await self._measure(contender.targets[value], running.address, round_number, slot + step)
                readings.append(_reading(value, heard))
            rate = None
            if rate_value is not None and rate_value in order:
                rate = await self._rate(contender.targets[rate_value], running.address)
        if watch.other is not None:
            self.other.append(watch.other)
        return Turn(
            round_number, store, place, tuple(sorted(readings, key=lambda one: one.value)), running.start_ns,
            windows * policy.warmup_ns, warm, running.cpus, watch.peak_bytes, rate,
            self._request.scenario.connection.connections,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def _process(self, contender: Contender, value: int) -> AsyncIterator[Running]:
        """The only store that runs, for as long as the block does."""
        request, host = self._request, self._fleet.host
        if self._running:
            raise FleetError("another store is still running; please report this")
        launched = await host.launch(contender.started_as(value), ["default"], request.scenario, request.seed)
        self._running += 1
        died: list[str] = []
        host.on_exit = lambda handle, status, output: died.append(f"status {status}; its last words: {output.strip()}")
        try:
            yield launched[0]
        finally:
            host.on_exit = lambda handle, status, output: None
            with contextlib.suppress(TargetError):
                await host.terminate(launched[0].handle)
            self._running -= 1
        if died:
            raise TargetError(f"{contender.store.label} ended in the middle of its turn with {died[0]}")

    async def _warm_up(self, target: Target, address: Address, round_number: int) -> tuple[int, bool]:
        """(windows played, whether the last two had about the same median)."""
        policy, before = self._request.policy, 0.0
        for window in range(policy.warmup_windows):
            start = self._round_start(round_number) + window * policy.warmup_ns
            heard = await self._play(self._request.scenario, target, address, start, 0, policy.warmup_ns)
            now = _median(heard.interval)
            if before and abs(now - before) <= policy.stable * min(now, before):
                return window + 1, True
            before = now
        return policy.warmup_windows, False

    async def _measure(self, target: Target, address: Address, round_number: int, slot: int) -> Heard:
        policy = self._request.policy
        length = policy.settle_ns + policy.measured_ns
        start = self._round_start(round_number) + policy.warmup_most_ns + slot * length
        return await self._play(self._request.scenario, target, address, start, policy.settle_ns, policy.measured_ns)

    def _round_start(self, round_number: int) -> int:
        """Where its windows of the plan begin: the same ones for every store."""
        policy = self._request.policy
        most = max(len(one.targets) for one in self._request.contenders)
        return round_number * (policy.warmup_most_ns + most * (policy.settle_ns + policy.measured_ns))

    async def _rate(self, target: Target, address: Address) -> float | None:
        """The highest rate held within the p99 limit; None where not even the lowest is."""
        search, policy = self._request.rates, self._request.policy
        assert search is not None
        trials: list[Trial] = []
        while (rung := next_rung(trials, search.ladder)) is not None:
            self._trials += 1
            start = search.window_ns(rung, self._trials, policy.settle_ns + policy.trial_ns)
            heard = await self._play(search.scenario, target, address, start, policy.settle_ns, policy.trial_ns)
            trials.append(Trial(rung, not heard.fault and _within(heard.interval, policy.p99_limit_ns)))
        best = found(trials, search.ladder).rung
        return None if best is None else search.ladder.rate(best)

    async def _play(
        self, scenario: Scenario, target: Target, address: Address, start_ns: int, settle_ns: int, measured_ns: int
    ) -> Heard:
        """One load; what is measured of it."""
        first, request = self._segments, self._request
        self._segments += 2
        segments = [
            Segment(first, Arm.BASE, SegmentKind.WARMUP, -1, start_ns, start_ns + settle_ns, 0),
            Segment(
                first + 1, Arm.BASE, SegmentKind.MEASURED, -1, start_ns + settle_ns, start_ns + settle_ns + measured_ns,
                settle_ns,
            ),
        ][0 if settle_ns else 1 :]  # fmt: skip
        number = self._turns
        collector = Collector(segments, lambda interval: self._log.append(number, interval))
        self._fleet.on_interval(collector.take)
        async with ticking(collector, self._progress, settle_ns + measured_ns):
            results = await self._fleet.load(scenario, request.seed, target, {Arm.BASE: address}, segments)
        check_counts(results)
        return self._heard(collector, segments, results)

    def _heard(self, collector: Collector, segments: list[Segment], results: list[LoadResult]) -> Heard:
        reports = [report for result in results for report in result.reports]
        interval = collector.segment(segments[-1].number)
        if any(report.lost for report in reports):
            raise TargetError("the store stopped taking connections in the middle of its turn")
        workers = collector.workers(reports)
        parts = [collector.segment(segment.number) for segment in segments]
        if any(report.saturated for report in reports) or fell_behind(interval):
            own = cut_reason(parts, workers, self._request.generator)
            return Heard(interval, own.text, False) if own else Heard(interval, SATURATED, True)
        if problems := run_problems(workers, interval, self._request.generator):
            return Heard(interval, problems[0].text, False)
        if interval.failures > self._request.policy.max_failed * max(1, interval.total):
            return Heard(interval, FAILING, True)
        return Heard(interval, "", False)


def _reading(value: int, heard: Heard) -> Reading:
    operations = {name: _operation(part) for name, part in heard.interval.operations.items()}
    example = next(iter(heard.interval.examples), "") if heard.fault == FAILING else ""
    fault = (
        f"{FAILING}: {heard.interval.failures} of {heard.interval.total} requests ({example})"
        if example
        else heard.fault
    )
    return Reading(value, operations, fault, heard.blame, example)


def _operation(part: OperationInterval) -> OperationReading:
    p50, p95, p99 = part.response.quantiles((0.5, 0.95, 0.99)).tolist() if part.response.total else (0.0, 0.0, 0.0)
    return OperationReading(part.completed, part.failures, p50, p95, p99, part.found, part.expected, part.recalls)


def _median(interval: Interval) -> float:
    """Of all operations together, ns; 0 where nothing was answered."""
    whole = Histogram.merge([part.response for part in interval.operations.values()] or [Histogram.empty()])
    return whole.quantile(0.5) if whole.total else 0.0


def _within(interval: Interval, limit_ns: int) -> bool:
    """Every operation's p99."""
    parts = [part.response for part in interval.operations.values()]
    return bool(parts) and all(part.total > 0 and part.quantile(0.99) <= limit_ns for part in parts)


def _joined(turns: Sequence[Turn]) -> Turn:
    """Of several processes, one a value."""
    peaks = [turn.peak_bytes for turn in turns if turn.peak_bytes is not None]
    return replace(
        turns[0],
        readings=tuple(sorted((one for turn in turns for one in turn.readings), key=lambda one: one.value)),
        warm=all(turn.warm for turn in turns),
        warmup_ns=sum(turn.warmup_ns for turn in turns),
        peak_bytes=max(peaks) if len(peaks) == len(turns) else None,
        rate=next((turn.rate for turn in turns if turn.rate is not None), None),
    )
