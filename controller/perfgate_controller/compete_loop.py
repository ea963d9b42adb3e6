"""The competition: load each store once, then round after round, no two stores running at once, until the ratios are known
well enough."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from perfgate.address import Address
from perfgate.compete.frontiers import SEARCH, Frontier, frontier_of
from perfgate.compete.model import Loading, Measurement, Turn
from perfgate.compete.rotation import rotation
from perfgate.compete.theta import precise, thetas
from perfgate.errors import FleetError, PerfgateError, TargetError
from perfgate.interval_log import IntervalWriter
from perfgate.operation import OPERATIONS
from perfgate.progress import Note, PhaseProgress, Progress
from perfgate.units import format_duration
from perfgate_controller.compete_load import CompeteLoad
from perfgate_controller.compete_request import CompeteRequest
from perfgate_controller.compete_slices import SlicePlayer
from perfgate_controller.compete_turn import TurnPlayer
from perfgate_controller.fleet import Fleet
from perfgate_controller.installed import told_installed
from perfgate_controller.phases import Phases
from perfgate_controller.store_tree import CannotPause, StoreTree

INTERRUPTED = ("interrupted", "it was interrupted before it could decide", "run it again")
LATER = "run it again; if it comes back, look at the agent's and the store's logs"


class Competition:
    """`run` returns what was measured, complete or broken off (`Measurement.broken`)."""

    def __init__(
        self, request: CompeteRequest, fleet: Fleet, progress: Progress,
        tree: Callable[[int, str, Address], StoreTree] = StoreTree,
    ) -> None:  # fmt: skip
        self._request = request
        self._tree = tree
        self._fleet = fleet
        self._progress = progress
        self._phases = Phases(progress)
        self._began_ns = time.monotonic_ns()
        self._began_wall_ns = time.time_ns()
        self._turns: list[Turn] = []
        self._loadings: list[Loading] = []
        self._rate_values: tuple[int, ...] = ()
        self._other: list[float] = []
        self._slices: SlicePlayer | None = None

    async def run(self) -> Measurement:
        """Raises FleetError where the agent was lost before anything was measured."""
        broken = None
        with IntervalWriter(self._request.directory / "intervals.jsonl") as log:
            try:
                await self._prepare()
                await self._rounds(CompeteLoad(self._request, self._fleet, log, self._progress))
            except TargetError as error:
                broken = INTERRUPTED if _cancelled() else ("store_failed", str(error), LATER)
            except PerfgateError as error:
                if _cancelled():  # a cancelled call takes the session with the agent along
                    return self._measured(INTERRUPTED)
                if not self._turns:
                    raise
                broken = ("agent_lost" if isinstance(error, FleetError) else "measurement_failed", str(error), LATER)
            except asyncio.CancelledError:
                if not _cancelled():
                    raise
                broken = INTERRUPTED
        return self._measured(broken)

    async def _prepare(self) -> None:
        request, host = self._request, self._fleet.host
        self._fleet.on_progress(lambda phase, fraction: self._progress.handle(PhaseProgress(phase, fraction)))
        with self._phases.phase("data", f"{request.scenario.data.num_nodes:,} memories"):
            await self._fleet.prepare_data(request.scenario, request.seed)
            if request.rates:
                await self._fleet.prepare_data(request.rates.scenario, request.seed)
        for number, contender in enumerate(request.contenders):
            spec = contender.targets[0].host
            if spec is None or not spec.copyable:
                self._progress.handle(Note(f"{contender.store.label}: each process is loaded anew"))
                continue
            for value in range(len(contender.files)):
                with self._phases.phase(f"load {contender.started_as(value)}", "once, to be copied for each process"):
                    done = await host.install(contender.started_as(value), "default", request.scenario, request.seed)
                self._loadings.append(Loading(number, done.memories, done.bytes, done.start_ns, done.load_ns, value))
                self._progress.handle(Note(f"{contender.store.label}: {told_installed(done)}"))

    async def _rounds(self, load: CompeteLoad) -> None:
        request, policy = self._request, self._request.policy
        orders = rotation(len(request.contenders), policy.max_rounds, request.seed)
        turns = TurnPlayer(request, self._fleet, load)
        self._slices = self._alternating(load)
        with self._phases.phase("measure", f"{policy.min_rounds} to {policy.max_rounds} rounds"):
            began_ns = time.monotonic_ns()
            for number, order in enumerate(orders):
                await self._round(number, order, turns)
                self._other = (self._slices or turns).other
                if number == 0 and request.rates:
                    self._rate_values = tuple(self._at_recall(one) for one in range(len(request.contenders)))
                if number + 1 >= policy.min_rounds and self._enough():
                    return
                if self._out_of_time(began_ns, number + 1):
                    self._progress.handle(Note("no further round fits into the time limit"))
                    return

    def _alternating(self, load: CompeteLoad) -> SlicePlayer | None:
        """Slices, unless they are not wanted, or a store needs a process for each value: those take turns."""
        request = self._request
        if not request.policy.slice_ns:
            return None
        if labels := [one.store.label for one in request.contenders if one.anew]:
            self._in_turns(f"{', '.join(labels)}: a process for each value")
            return None
        return SlicePlayer(request, self._fleet, load, self._tree)

    def _in_turns(self, why: str) -> None:
        self._progress.handle(Note(f"stores take turns of one piece, which noise disturbs more: {why}"))

    async def _round(self, number: int, order: Sequence[int], turns: TurnPlayer) -> None:
        """Whether stores can be paused shows in the first round; all rounds are measured in the same way."""
        if self._slices is not None:
            values = self._rate_values if self._searching(number) else ()
            try:
                played = await self._slices.play(number, order, values)
            except CannotPause as error:
                if number:
                    raise
                self._in_turns(str(error))
                self._slices = None
            else:
                self._turns += played
                for turn in played:
                    self._say(turn)
                return
        for place, store in enumerate(order):
            value = self._rate_values[store] if self._searching(number) else None
            self._turns.append(await turns.play(number, store, place, value))
            self._say(self._turns[-1])

    def _searching(self, number: int) -> bool:
        """Throughput is searched from the second round on: the first one says at which value the recall is reached."""
        return bool(self._rate_values) and number <= self._request.policy.rate_rounds

    def _at_recall(self, store: int) -> int:
        """The value that comes nearest to the wanted recall without missing it, or the best one there is."""
        frontier = self._frontier(store)
        if frontier.at is not None:
            return frontier.at.high
        known = [(recall, value) for value, recall in enumerate(frontier.pooled.tolist()) if math.isfinite(recall)]
        return max(known)[1] if known else 0

    def _enough(self) -> bool:
        """Whether all judged ratios are known as well as they are asked to be. Rounds of the throughput search are waited
        for."""
        request, policy = self._request, self._request.policy
        if request.rates and len(self._turns) // len(request.contenders) <= policy.rate_rounds:
            return False
        frontiers = [self._frontier(store) for store in range(len(request.contenders))]
        found = thetas(self._measured(None), frontiers, policy)
        for theta in found:
            if theta.judged and theta.operation:
                label = request.contenders[theta.competitor].store.label
                self._progress.handle(
                    Note(
                        f"{theta.metric} against {label}: {math.exp(theta.mean):.3f} x, known to ± {100 * theta.half:.1f} %"
                    )
                )
        return precise(found, policy)

    def _frontier(self, store: int) -> Frontier:
        return frontier_of(self._measured(None), store, self._request.policy)

    def _out_of_time(self, began_ns: int, rounds: int) -> bool:
        limit = self._request.time_limit_ns
        now = time.monotonic_ns()
        return limit is not None and now - self._began_ns + (now - began_ns) // rounds > limit

    def _say(self, turn: Turn) -> None:
        store, policy = self._request.contenders[turn.store].store, self._request.policy
        parts = []
        for reading in turn.readings:
            value = f"{store.parameter} {store.values[reading.value]}: " if store.parameter else ""
            part = reading.operations.get(SEARCH) or next(iter(reading.operations.values()), None)
            if not reading.usable or part is None:
                parts.append(f"{value}{reading.fault or 'nothing'}")
                continue
            recall = f" at {part.found / part.expected:.3f}" if part.expected else ""
            parts.append(f"{value}{policy.primary} {format_duration(part.quantile(policy.primary))}{recall}")
        rate = f"; {turn.rate:,.0f}/s within the limit" if turn.rate else ""
        cold = ("" if turn.warm else "; not stable") + (f"; {turn.dropped} slices dropped" if turn.dropped else "")
        self._progress.handle(Note(f"round {turn.round + 1}, {store.label}: {', '.join(parts)}{rate}{cold}"))

    def _measured(self, broken: tuple[str, str, str] | None) -> Measurement:
        request = self._request
        return Measurement(
            stores=tuple(one.store for one in request.contenders),
            operations=tuple(one for one in OPERATIONS if one in request.scenario.weights),
            turns=tuple(self._turns), loadings=tuple(self._loadings), started_wall_ns=self._began_wall_ns,
            duration_ns=time.monotonic_ns() - self._began_ns, environment=self._fleet.environment, broken=broken,
            rate_value=self._rate_values, other_work=sum(self._other) / len(self._other) if self._other else None,
            truth_fault=request.truth_fault, phases=self._phases.taken,
            slice_ns=self._slices.slice_ns if self._slices else 0,
            rate_top=request.rates.ladder.rate(request.rates.ladder.top) if request.rates else 0.0,
        )  # fmt: skip


def _cancelled() -> bool:
    """Whether this task was asked to end, once: then it does so in order."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0 and task.uncancel() == 0
