"""Measures what leaks in a duet: blocks of two pairs, in one of them with a slower build on one side."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from perfgate.calibration.leak import Block
from perfgate.errors import MeasurementError, PerfgateError
from perfgate.gate.capacity import capacity_check
from perfgate.gate.generator import spoilt_reason
from perfgate.gate.validity import usable_pairs
from perfgate.interval_log import IntervalWriter
from perfgate.pair import Pair
from perfgate.progress import Note, PairDone, Progress
from perfgate.segment import Arm
from perfgate_controller.fleet import Fleet
from perfgate_controller.gate_loop import GIVE_UP_AFTER, Gate, GateRequest

PURPOSE = 0x6C65_616B  # keeps this stream of random numbers apart from the others of a seed


@dataclass(frozen=True, slots=True)
class LeakRequest:
    """gate: its base is the build that is calibrated, its candidate the slower one, its policy a duet's. blocks: how many
    blocks of two pairs, one of them without the delay."""

    gate: GateRequest
    blocks: int


class LeakMeasurement(Gate):
    """`measure` returns the blocks of which both pairs can be used."""

    def __init__(self, request: LeakRequest, fleet: Fleet, progress: Progress) -> None:
        super().__init__(request.gate, fleet, progress)
        self._wanted = request
        self._with_delay = request.gate

    async def measure(self) -> list[Block]:
        """Which of a block's two pairs comes first is drawn from the seed. Where time runs out, or a failure ends it, what
        there is must do. Raises PerfgateError where not one block was measured, or where a store cannot hold the load."""
        blocks: list[Block] = []
        random = np.random.default_rng([self._with_delay.seed, PURPOSE])
        with IntervalWriter(self._with_delay.directory / "leak.jsonl") as log:
            await self._prepare()
            with self._phases.phase("measure leak", f"{self._wanted.blocks} times with and without a delay"):
                for number in range(self._wanted.blocks):
                    try:
                        block = await self._block(number, bool(random.integers(2)), log)
                    except PerfgateError as error:
                        if not blocks or isinstance(error, MeasurementError):
                            raise
                        self._progress.handle(Note(f"the leak rests on {len(blocks)} blocks: {error}"))
                        break
                    blocks += [block] if block else []
                    if number + 1 == GIVE_UP_AFTER and not blocks:
                        raise MeasurementError(self._why_none())
                    if self._out_of_time():
                        self._progress.handle(Note(f"the time limit is reached after {number + 1} blocks"))
                        break
        return blocks

    async def _block(self, number: int, delayed_first: bool, log: IntervalWriter) -> Block | None:
        """None where one of its pairs does not count."""
        found: dict[bool, Pair] = {}
        for delayed in (delayed_first, not delayed_first):
            found[delayed] = await self._one(2 * number + len(found), delayed, log)
        if len(usable_pairs(list(found.values()))) < len(found):
            self._progress.handle(Note(f"block {number + 1} does not count"))
            return None
        return Block(same=found[False], delayed=found[True])

    async def _one(self, number: int, delayed: bool, log: IntervalWriter) -> Pair:
        base = self._with_delay.builds[Arm.BASE]
        builds = self._with_delay.builds if delayed else dict.fromkeys(Arm, base)
        self._request = dataclasses.replace(self._with_delay, builds=builds)
        pair = await self._pair(number, log)
        self.pairs.append(pair)
        if number < 2 and (saturation := capacity_check(pair, self._request.policy)):
            reason = saturation.verdict.reasons[0]
            raise MeasurementError(f"both builds at once: {reason.text}; {reason.remedy}")
        self._progress.handle(self._pair_done(pair))
        return pair

    def _why_none(self) -> str:
        why = spoilt_reason(self.pairs, self._request.policy)
        return f"none of {GIVE_UP_AFTER} blocks can be used" + (f": {why.text}; {why.remedy}" if why else "")

    def _pair_done(self, pair: Pair) -> PairDone:
        return dataclasses.replace(super()._pair_done(pair), at_most=2 * self._wanted.blocks)
