"""The gate: install both builds, then pair after pair until the rule decides. Whatever happens, there is a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator
from typing import Any

from perfgate.errors import CountsError, FleetError, PerfgateError, StartError, TargetError
from perfgate.gate.compare import compare, invalid, look_due
from perfgate.gate.comparison import Comparison
from perfgate.gate.generator import drop_faulty, drop_laggards, spoilt_reason
from perfgate.gate.neighbour import others_only
from perfgate.gate.policy import Policy
from perfgate.gate.quality import FIRST_LOAD, recall_doubtful
from perfgate.gate.validity import usable_pairs
from perfgate.interval_log import IntervalWriter
from perfgate.pair import Pair
from perfgate.plan import Plan
from perfgate.progress import LookTaken, Note, PairDone, PhaseProgress, Progress
from perfgate.run import RunRecord
from perfgate.segment import Arm
from perfgate.units import NS_PER_S
from perfgate_controller.capacity_watch import CapacityWatch
from perfgate_controller.collect import Collector
from perfgate_controller.fleet import Fleet
from perfgate_controller.fleet_reasons import check_counts as check_counts
from perfgate_controller.fleet_reasons import fleet_notes, judge_pair
from perfgate_controller.gate_request import GateRequest as GateRequest
from perfgate_controller.installed import told_installed
from perfgate_controller.link import LoadResult, Running
from perfgate_controller.phases import Phases
from perfgate_controller.process_couple import Couple, launch
from perfgate_controller.record import gate_record
from perfgate_controller.schedule import PairSchedule, schedule_pair, slice_length_ns
from perfgate_controller.ticker import ticking

GIVE_UP_AFTER = 4
BROKEN_OFF = {
    FleetError: "agent_lost",
    TargetError: "store_died",
    CountsError: "counts_differ",
    StartError: "start_spread",
}


class Gate:
    """One gate. `run` returns its record and comparison, complete or broken off; what was measured is kept."""

    def __init__(self, request: GateRequest, fleet: Fleet, progress: Progress) -> None:
        self._request = request
        self._fleet = fleet
        self._progress = progress
        self._began_ns = time.monotonic_ns()
        self._began_wall_ns = time.time_ns()
        self._plan = Plan(request.scenario, request.seed)
        rate = self._plan.mean_rate
        self._slice_ns = slice_length_ns(request.policy, request.scenario, rate)
        self._plan_at_ns = 0
        self.pairs: list[Pair] = []
        self._couple: Couple | None = None
        self._capacity = CapacityWatch(request.policy, lambda text: progress.handle(Note(text)))
        self._load_anew = False
        self._loaded = FIRST_LOAD
        self._phases = Phases(progress)
        fleet.story.tell = lambda text: progress.handle(Note(text))

    async def run(self) -> tuple[RunRecord, Comparison]:
        """Raises PerfgateError only while nothing has been measured."""
        request = self._request
        with IntervalWriter(request.directory / "intervals.jsonl") as log:
            try:
                await self._prepare()
                comparison = await self._measure(log)
            except PerfgateError as error:
                if not self.pairs and not log.count:
                    raise
                comparison = self._broken(error)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.uncancel() > 0:
                    raise
                comparison = invalid(
                    request.policy, self.pairs, "interrupted", "the gate was interrupted before it could decide",
                    "run it again; what was measured until then is kept in the run's directory",
                )  # fmt: skip
            finally:
                await self._end_couple()
        return self._record(comparison), comparison

    async def _prepare(self) -> None:
        request, host = self._request, self._fleet.host
        self._fleet.on_progress(lambda phase, fraction: self._progress.handle(PhaseProgress(phase, fraction)))
        with self._phases.phase("data", f"{request.scenario.data.num_nodes:,} memories"):
            await self._fleet.prepare_data(request.scenario, request.seed)
        if request.target.host and not request.target.host.copyable:
            self._progress.handle(Note("each process is loaded anew: this store cannot serve a copy"))
            return
        for variant in request.variants:
            with self._phases.phase(f"load {variant}", "once, to be copied for each process"):
                done = await host.install(request.target.name, variant, request.scenario, request.seed)
                self._progress.handle(Note(f"{variant}: {told_installed(done)}"))

    async def _measure(self, log: IntervalWriter) -> Comparison:
        policy, scenario = self._request.policy, self._request.scenario
        operations, most = tuple(scenario.weights), policy.looks[-1]
        with self._phases.phase("measure", f"at most {most} pairs"):
            while True:
                pair = await self._pair(len(self.pairs), log)
                pair, saturation = self._capacity.check(pair)
                self.pairs.append(pair)
                if saturation is not None:
                    return saturation
                self._progress.handle(self._pair_done(pair))
                if not pair.usable and (why := spoilt_reason([pair], policy)):
                    self._progress.handle(Note(f"pair {len(self.pairs)} does not count: {why.text}"))
                if self._hopeless():
                    return self._disturbed()
                out_of_time = self._out_of_time()
                if not (look_due(len(self.pairs), policy) or out_of_time):
                    continue
                comparison = compare(
                    self.pairs, policy, operations, validation=scenario.validation, out_of_time=out_of_time,
                    restarts=self._request.restarts,
                )  # fmt: skip
                self._progress.handle(LookTaken(comparison))
                if comparison.final:
                    return comparison
                self._doubt(comparison)

    def _doubt(self, comparison: Comparison) -> None:
        """Lost recall may be the luck of one index: each further pair then has data of its own."""
        if self._copied and not self._load_anew and recall_doubtful(comparison.effects):
            self._load_anew = True
            self._progress.handle(Note("fewer true answers are found: the data are loaded anew for each further pair"))

    @property
    def _copied(self) -> bool:
        """Whether processes serve copies of data that were loaded once, and not the same ones on both sides."""
        host = self._request.target.host
        return host is not None and host.copyable and len(self._request.variants) > 1

    async def _load_again(self) -> None:
        request, host = self._request, self._fleet.host
        for variant in request.variants:
            await host.install(request.target.name, variant, request.scenario, request.seed, anew=True)
        self._loaded += 1

    def _hopeless(self) -> bool:
        """No use in going on: the first pairs are all spoilt, or too few can still become usable."""
        usable, policy = len(usable_pairs(self.pairs)), self._request.policy
        to_come = policy.looks[-1] - len(self.pairs)
        return (len(self.pairs) == GIVE_UP_AFTER and not usable) or usable + to_come < policy.min_pairs

    def _disturbed(self) -> Comparison:
        """What spoilt most of the pairs is the reason."""
        policy, usable = self._request.policy, {pair.number for pair in usable_pairs(self.pairs)}
        why = spoilt_reason([pair for pair in self.pairs if pair.number not in usable], policy)
        text = f"only {len(usable)} of the {len(self.pairs)} pairs so far can be used"
        if why is None:
            return invalid(policy, self.pairs, "too_few_pairs", text, "look at the agent's log, and run it again")
        return invalid(policy, self.pairs, why.code, f"{text}: {why.text}", why.remedy)

    async def _pair(self, number: int, log: IntervalWriter) -> Pair:
        """One pair, of fresh processes where they are due."""
        request = self._request
        schedule = schedule_pair(
            request.policy, self._slice_ns, request.seed, number, self._plan_at_ns, request.one_process,
            watched=number == 0 or self._capacity.doubtful,
        )  # fmt: skip
        self._plan_at_ns = schedule.plan_end_ns
        await asyncio.sleep(schedule.jitter_ns / NS_PER_S)
        async with self._processes(schedule) as couple:
            collector = Collector(schedule.segments, lambda interval: log.append(number, interval))
            self._fleet.on_interval(collector.take)
            async with ticking(collector, self._progress, schedule.duration_ns):
                results = await self._load(schedule, couple)
        check_counts(results)
        pair = make_pair(schedule, collector, couple.running, results, request.policy)
        pair = dataclasses.replace(pair, load=self._loaded if self._copied else None)
        pair = judge_pair(pair, self._fleet.story, self._fleet.epoch, request.policy)
        return others_only(pair) if request.neighbour else pair

    async def _load(self, schedule: PairSchedule, couple: Couple) -> list[LoadResult]:
        """Drive the pair, unless a store ends in the middle."""
        request, died = self._request, couple.died
        addresses = {arm: process.address for arm, process in couple.running.items()}
        load = asyncio.ensure_future(
            self._fleet.load(request.scenario, request.seed, request.target, addresses, schedule.segments)
        )
        try:
            waited: set[asyncio.Future[Any]] = {load, died}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if died.done():
                died.result()
            results = load.result()
        finally:
            if not load.done():
                load.cancel()
                with contextlib.suppress(asyncio.CancelledError, PerfgateError):
                    await load
        if any(report.lost for result in results for report in result.reports):
            raise TargetError(f"the store stopped taking connections in the middle of pair {schedule.number + 1}")
        return results

    @contextlib.asynccontextmanager
    async def _processes(self, schedule: PairSchedule) -> AsyncIterator[Couple]:
        """The couple that serves this pair: fresh where it is due, ended after its last pair and with any failure."""
        try:
            if schedule.fresh or self._couple is None:
                await self._end_couple()
                if self._load_anew:
                    await self._load_again()
                self._couple = await launch(self._request, self._fleet.host, schedule)
            self._couple.serve(schedule.number)
            yield self._couple
        except BaseException:
            await self._end_couple()
            raise
        if schedule.last:
            await self._end_couple()

    async def _end_couple(self) -> None:
        couple, self._couple = self._couple, None
        if couple is not None:
            await couple.end()

    def _out_of_time(self) -> bool:
        """True when another pair would not fit any more, or all pairs of a further couple of processes: short of those
        there would be nothing to ask the rule about."""
        limit = self._request.time_limit_ns
        if limit is None:
            return False
        elapsed = time.monotonic_ns() - self._began_ns
        before_pairs = sum(duration for _, duration in self._phases.taken)
        a_pair = (elapsed - before_pairs) // max(1, len(self.pairs))
        each = self._request.policy.pairs_a_start
        return elapsed + a_pair * (1 if len(self.pairs) % each else each) > limit

    def _pair_done(self, pair: Pair) -> PairDone:
        totals = {arm: pair.total(arm) for arm in Arm} if pair.usable else {}
        p99s = {
            arm: {name.value: part.response.quantile(0.99) for name, part in total.operations.items()}
            for arm, total in totals.items()
        }
        return PairDone(
            len(self.pairs), self._request.policy.looks[-1], p99s.get(Arm.BASE, {}), p99s.get(Arm.CANDIDATE, {})
        )

    def _broken(self, error: PerfgateError) -> Comparison:
        code = BROKEN_OFF.get(type(error), "measurement_failed")
        remedy = "run it again; if it comes back, look at the agent's and the store's logs"
        return invalid(self._request.policy, self.pairs, code, str(error), remedy)

    def _record(self, comparison: Comparison) -> RunRecord:
        request = self._request
        return gate_record(
            request.scenario, request.seed, request.target, request.builds, self.pairs, comparison,
            started_wall_ns=self._began_wall_ns, duration_ns=time.monotonic_ns() - self._began_ns,
            phases=self._phases.taken, environment=self._fleet.environment, fleet=self._fleet.story.to_json(),
            warnings=fleet_notes(self._fleet.story, request.policy),
        )  # fmt: skip


def make_pair(
    schedule: PairSchedule, collector: Collector, running: dict[Arm, Running], results: list[LoadResult], policy: Policy
) -> Pair:
    """Put a pair together from what was recorded, without what the generator spoilt."""
    pair = Pair(
        number=schedule.number,
        couples=tuple(drop_laggards(couple, policy) for couple in collector.couples(schedule)),
        warmup=collector.warmups(),
        start_ns={arm: process.start_ns for arm, process in running.items()},
        ports={arm: process.address.port for arm, process in running.items()},
        cpus={arm: process.cpus for arm, process in running.items()},
        steal_fraction=max((result.steal_fraction for result in results), default=0.0),
        workers=collector.workers(report for result in results for report in result.reports),
        start=schedule.start,
    )
    return drop_faulty(pair, policy)
