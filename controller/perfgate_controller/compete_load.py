"""One load of a competition after the other: warm-up, measurement, search for the highest rate; and what came back of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from perfgate.address import Address
from perfgate.capacity_search import Trial, found, next_rung
from perfgate.compete.model import FAILING, SATURATED, OperationReading, Reading
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
from perfgate_controller.fleet import Fleet
from perfgate_controller.fleet_reasons import check_counts, loss_text
from perfgate_controller.link import LoadResult
from perfgate_controller.ticker import ticking


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back of one load. fault, blame: as of Reading; that requests failed is not told yet."""

    interval: Interval
    fault: str
    blame: bool


class CompeteLoad:
    """Loads whichever store it is told to. `turn`: under which number the intervals are logged."""

    def __init__(self, request: CompeteRequest, fleet: Fleet, log: IntervalWriter, progress: Progress) -> None:
        self._request = request
        self._fleet = fleet
        self._log = log
        self._progress = progress
        self._segments = self._trials = 0
        self.turn = 0

    def begin(self) -> None:
        """A further turn, or round."""
        self.turn += 1
        self._segments = 0

    async def warm_up(self, target: Target, address: Address, start_ns: int) -> tuple[int, bool]:
        """(windows played, whether the last two had about the same median). start_ns: of the plan."""
        policy, before = self._request.policy, 0.0
        for window in range(policy.warmup_windows):
            begin = start_ns + window * policy.warmup_ns
            heard = await self.play(self._request.scenario, target, address, begin, 0, policy.warmup_ns)
            now = _median(heard.interval)
            if before and abs(now - before) <= policy.stable * min(now, before):
                return window + 1, True
            before = now
        return policy.warmup_windows, False

    async def rate(self, target: Target, address: Address) -> float | None:
        """The highest rate held within the p99 limit; None where not even the lowest is."""
        search, policy = self._request.rates, self._request.policy
        assert search is not None
        trials: list[Trial] = []
        while (rung := next_rung(trials, search.ladder)) is not None:
            self._trials += 1
            start = search.window_ns(rung, self._trials, policy.settle_ns + policy.trial_ns)
            heard = await self.play(search.scenario, target, address, start, policy.settle_ns, policy.trial_ns)
            fine = (
                not heard.fault and not self._failing(heard.interval) and _within(heard.interval, policy.p99_limit_ns)
            )
            trials.append(Trial(rung, fine))
        best = found(trials, search.ladder).rung
        return None if best is None else search.ladder.rate(best)

    async def play(
        self, scenario: Scenario, target: Target, address: Address, start_ns: int, settle_ns: int, measured_ns: int
    ) -> Heard:
        """One load; what is measured of it. Raises TargetError where the store stops taking connections."""
        first, request = self._segments, self._request
        self._segments += 2
        segments = [
            Segment(first, Arm.BASE, SegmentKind.WARMUP, -1, start_ns, start_ns + settle_ns, 0),
            Segment(
                first + 1, Arm.BASE, SegmentKind.MEASURED, -1, start_ns + settle_ns, start_ns + settle_ns + measured_ns,
                settle_ns,
            ),
        ][0 if settle_ns else 1 :]  # fmt: skip
        number = self.turn
        collector = Collector(segments, lambda interval: self._log.append(number, interval))
        self._fleet.on_interval(collector.take)
        async with ticking(collector, self._progress, settle_ns + measured_ns):
            results = await self._fleet.load(scenario, request.seed, target, {Arm.BASE: address}, segments)
        check_counts(results)
        return self._without_losses(self._heard(collector, segments, results))

    def reading(self, value: int, heard: Sequence[Heard]) -> Reading:
        """Of all loads at one value together. A store that falls behind in most of them does not hold the rate; in a few, a
        burst on the host may be to blame: what they measured counts like any other."""
        whole = Interval.merge(replace(one.interval, segment=0) for one in heard)
        operations = {name: _operation(part) for name, part in whole.operations.items()}
        faults = [(one.fault, one.blame) for one in heard if one.fault]
        fault, blame = faults[0] if 2 * len(faults) > len(heard) else ("", False)
        example = ""
        if not fault and self._failing(whole):
            example, blame = next(iter(whole.examples), ""), True
            fault = f"{FAILING}: {whole.failures} of {whole.total} requests ({example})" if example else FAILING
        return Reading(value, operations, fault, blame, example)

    def _without_losses(self, heard: Heard) -> Heard:
        """A worker that was lost in this load is no fault of the store's, whoever took over. Raises FleetError where the
        scenario does not go on then."""
        lost = loss_text(self._fleet.story, self._fleet.epoch)
        if lost and self._request.generator.agent_loss == "invalid":
            raise FleetError(lost)
        return replace(heard, fault=lost, blame=False) if lost else heard

    def _failing(self, interval: Interval) -> bool:
        return interval.failures > self._request.policy.max_failed * max(1, interval.total)

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
        return Heard(interval, "", False)


def quantiles_of(parts: Iterable[OperationInterval]) -> tuple[float, float, float] | None:
    """p50, p95, p99 of the response times of all of them, ns; None where nothing was answered."""
    response = Histogram.merge([Histogram.empty(), *(part.response for part in parts)])
    if not response.total:
        return None
    p50, p95, p99 = response.quantiles((0.5, 0.95, 0.99)).tolist()
    return p50, p95, p99


def _operation(part: OperationInterval) -> OperationReading:
    p50, p95, p99 = quantiles_of([part]) or (0.0, 0.0, 0.0)
    return OperationReading(part.completed, part.failures, p50, p95, p99, part.found, part.expected, part.recalls)


def _median(interval: Interval) -> float:
    """Of all operations together, ns; 0 where nothing was answered."""
    whole = quantiles_of(interval.operations.values())
    return whole[0] if whole else 0.0


def _within(interval: Interval, limit_ns: int) -> bool:
    """Every operation's p99."""
    parts = [part.response for part in interval.operations.values()]
    return bool(parts) and all(part.total > 0 and part.quantile(0.99) <= limit_ns for part in parts)
