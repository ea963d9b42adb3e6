"""A/A pairs without looks: the gate's own pairs of one build, as many as are wanted."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from perfgate.errors import MeasurementError, PerfgateError
from perfgate.gate.capacity import capacity_check
from perfgate.gate.generator import spoilt_reason
from perfgate.interval_log import IntervalWriter
from perfgate.pair import Pair
from perfgate.progress import Note, PairDone, Progress
from perfgate_controller.fleet import Fleet
from perfgate_controller.gate_loop import GIVE_UP_AFTER, Gate, GateRequest


@dataclass(frozen=True, slots=True)
class CalibrationRequest:
    """wanted: pairs to measure now. first, plan_at_ns: where an earlier calibration stopped, whose pairs these follow.
    on_pair: told of each pair as it ends, with where the next one's plan begins and the time that all took so far."""

    gate: GateRequest
    wanted: int
    first: int
    plan_at_ns: int
    on_pair: Callable[[Pair, int, int], None]


class Calibration(Gate):
    """After `calibrate`, `pairs` holds what was measured and `ended` what ended it before its time, if anything did."""

    def __init__(self, request: CalibrationRequest, fleet: Fleet, progress: Progress) -> None:
        super().__init__(request.gate, fleet, progress)
        self._wanted = request
        self._plan_at_ns = request.plan_at_ns
        self.ended = ""
        self.cut = False
        """Broken off, by Ctrl-C or by a failure; False where time ran out as it was meant to."""

    async def calibrate(self) -> None:
        """Raises PerfgateError where nothing has been measured, or where the store cannot hold the load."""
        request = self._request
        with IntervalWriter(request.directory / "intervals.jsonl") as log:
            try:
                await self._prepare()
                await self._measure_pairs(log)
            except PerfgateError as error:
                if not any(pair.usable for pair in self.pairs):
                    raise
                self.ended, self.cut = str(error), True
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.uncancel() > 0:
                    raise
                self.ended, self.cut = "interrupted", True
            finally:
                await self._end_couple()

    async def _measure_pairs(self, log: IntervalWriter) -> None:
        wanted, policy = self._wanted, self._request.policy
        with self._phases.phase("measure", f"{wanted.wanted} pairs of the same build"):
            began_ns = time.monotonic_ns()
            while len(self.pairs) < wanted.wanted:
                pair = await self._pair(wanted.first + len(self.pairs), log)
                if pair.number == 0 and (saturation := capacity_check(pair, policy)):
                    reason = saturation.verdict.reasons[0]
                    raise MeasurementError(f"{reason.text}; {reason.remedy}")
                self.pairs.append(pair)
                wanted.on_pair(pair, self._plan_at_ns, time.monotonic_ns() - began_ns)
                self._progress.handle(self._pair_done(pair))
                self._check_use(pair)
                if len(self.pairs) < wanted.wanted and self._out_of_time():
                    self.ended = "the time limit is reached"
                    return

    def _check_use(self, pair: Pair) -> None:
        """Raises MeasurementError where none of the first pairs can be used."""
        why = spoilt_reason([pair], self._request.policy) if not pair.usable else None
        if why:
            self._progress.handle(Note(f"pair {len(self.pairs)} does not count: {why.text}"))
        if len(self.pairs) == GIVE_UP_AFTER and not any(one.usable for one in self.pairs):
            raise MeasurementError(
                f"none of {GIVE_UP_AFTER} pairs can be used"
                + (f": {why.text}; {why.remedy}" if why else "; look at the agent's log")
            )

    def _pair_done(self, pair: Pair) -> PairDone:
        return dataclasses.replace(super()._pair_done(pair), at_most=self._wanted.wanted)
