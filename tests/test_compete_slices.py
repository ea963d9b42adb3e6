"""Competitions in slices: their order, what is read together, and the loop on a fleet that is made up."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from compete_values import measurement
from hypothesis import given
from hypothesis import strategies as st
from perfgate_controller.compete_loop import Competition
from perfgate_controller.compete_request import CompeteRequest
from perfgate_controller.fleet_story import Loss
from perfgate_controller.link import LoadResult, Running
from perfgate_controller.store_tree import CannotPause, Rest
from test_compete_loop import POLICY as TURNS
from test_compete_loop import SEARCH, MadeUp, Silent, by_name, request

from perfgate.address import Address
from perfgate.compete.frontiers import frontier_of
from perfgate.compete.model import SATURATED, Measurement
from perfgate.compete.outcome import decide
from perfgate.compete.policy import CompetePolicy, check_policy
from perfgate.compete.series import series_of
from perfgate.compete.slices import group_of, passes_of, steps
from perfgate.compete.theta import Theta, thetas
from perfgate.errors import FleetError, InputError
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.model import Target
from perfgate.units import NS_PER_MS, NS_PER_S

POLICY = dataclasses.replace(TURNS, slice_ns=NS_PER_S // 4, measured_ns=2 * NS_PER_S, min_rounds=3, max_rounds=3)
PASSES = 8
LOST_AT = 150
"""A load of the second round: the first has 3 x 2 windows of warm-up and 3 x 5 x 8 slices."""


@given(
    values=st.lists(st.integers(1, 4), min_size=2, max_size=4), passes=st.integers(1, 9), seed=st.integers(0, 2**63),
    round_number=st.integers(0, 20),
)  # fmt: skip
def test_each_pass_gives_every_store_every_value_once_and_all_the_same_windows(
    values: list[int], passes: int, seed: int, round_number: int
) -> None:
    found = steps(values, passes, seed, round_number)
    assert sorted(step.window for step in found) == list(range(passes * max(values)))
    asked = Counter((step.number, step.value, store) for step in found for store in step.stores)
    assert set(asked.values()) == {1}
    assert set(asked) == {(n, v, s) for n in range(passes) for s, count in enumerate(values) for v in range(count)}
    assert [step.number for step in found] == sorted(step.number for step in found)


def test_of_two_stores_each_goes_first_in_every_second_slice_of_a_value() -> None:
    for value in range(3):
        firsts = [step.stores[0] for step in steps([3, 3], 10, 1, 0) if step.value == value]
        assert [sum(firsts[at : at + 2]) for at in range(0, 10, 2)] == [1] * 5


@given(passes=st.integers(1, 60), requests=st.floats(0.1, 500), least=st.integers(1, 400))
def test_neighbouring_slices_are_read_together_until_they_hold_enough(passes: int, requests: float, least: int) -> None:
    groups = group_of(passes, requests, least)
    sizes = Counter(groups)
    assert groups == sorted(groups)
    assert sorted(sizes) == list(range(groups[-1] + 1))
    assert len(sizes) == 1 or min(sizes.values()) * requests >= least * (1 - 1e-9)


def test_a_measurement_is_cut_into_whole_slices() -> None:
    assert passes_of(3 * NS_PER_S, NS_PER_S // 2) == 6
    assert passes_of(NS_PER_S // 10, NS_PER_S // 2) == 1


class Paused(MadeUp):
    """Also keeps who is stopped. Loads by slices; slow_from: from which load on requests are answered that much later, for
    how many loads. late: loads in which the generator is late. cut: those that the store makes it give up."""

    def __init__(self, latency_ns: Callable[[Target], float] = by_name, **fields: Any) -> None:
        super().__init__(latency_ns)
        self.stopped: set[int] = set()
        self.most_running = 0
        self.count = 0
        self.late: frozenset[int] = fields.get("late", frozenset())
        self.cut: Callable[[str, int], bool] = fields.get("cut", lambda name, load: False)
        self.burst: Callable[[int], float] = fields.get("burst", lambda load: 1.0)
        self.goes_on = fields.get("goes_on", False)
        self.refuses = fields.get("refuses", False)
        self.dies_at = fields.get("dies_at", -1)

    async def launch(self, target: str, variants: Sequence[str], scenario: Scenario, seed: int) -> list[Running]:
        (running,) = await super().launch(target, variants, scenario, seed)
        self._see()
        return [dataclasses.replace(running, address=Address("127.0.0.1", running.handle))]

    async def terminate(self, handle: int) -> None:
        assert handle not in self.stopped  # it is let go on before it is ended
        await super().terminate(handle)

    def tree(self, pid: int, label: str, address: Address) -> Any:
        return SimpleTree(self, address.port)

    def _see(self) -> None:
        self.most_running = max(self.most_running, len(set(self.alive) - self.stopped))

    async def load(
        self, scenario: Scenario, seed: int, target: Target, addresses: Mapping[Arm, Address], segments: Sequence[Segment]
    ) -> list[LoadResult]:  # fmt: skip
        self._see()
        running = set(self.alive) - self.stopped
        assert running == {addresses[Arm.BASE].port} or self.dies_at >= 0 or not self.stopped
        self.count += 1
        if self.count == self.dies_at:
            self.on_exit(next(iter(self.stopped)), -9, "out of memory")
        handler, late, slow = self._handler, self.count in self.late, self.burst(self.count)

        def take(interval: Interval) -> None:
            parts = {
                name: dataclasses.replace(part, response=Histogram.of([round(slow * part.response.quantile(0.5))] * part.total))
                for name, part in interval.operations.items()
            }  # fmt: skip
            lag = Histogram.of([NS_PER_S] * interval.due) if late else interval.lag
            handler(dataclasses.replace(interval, lag=lag, operations=parts))

        self._handler = take
        (result,) = await super().load(scenario, seed, target, addresses, segments)
        report = dataclasses.replace(result.reports[0], saturated=self.cut(target.name, self.count))
        return [dataclasses.replace(result, reports=(report,))]


class SimpleTree:
    def __init__(self, fleet: Paused, handle: int) -> None:
        self.fleet, self.handle, self.ticks = fleet, handle, 0

    def check(self) -> None:
        if self.fleet.refuses:
            raise CannotPause("what listens is not below the process that was started")

    async def pause(self) -> None:
        self.fleet.stopped.add(self.handle)

    def resume(self) -> None:
        self.fleet.stopped.discard(self.handle)

    def rest(self) -> Rest:
        self.ticks += self.fleet.goes_on
        return Rest(self.handle in self.fleet.stopped, self.ticks)


async def play(fleet: Paused, asked: CompeteRequest) -> Measurement:
    return await Competition(asked, fleet, Silent(), fleet.tree).run()  # type: ignore[arg-type]


def ratios(measured: Measurement) -> list[Theta]:
    frontiers = [frontier_of(measured, number, POLICY) for number in range(len(measured.stores))]
    return [one for one in thetas(measured, frontiers, POLICY) if one.statistic == "p95" and one.operation is SEARCH]


async def test_all_stores_are_there_and_never_do_two_run(tmp_path: Path) -> None:
    fleet = Paused()
    measured = await play(fleet, request(tmp_path, POLICY))
    assert (fleet.most_alive, fleet.most_running) == (3, 1)
    assert (fleet.alive, fleet.stopped) == ({}, set())
    assert len(fleet.launched) == 3 * 3  # fresh processes in each round
    assert measured.slice_ns == POLICY.slice_ns
    assert {turn.alone for turn in measured.turns} == {True}
    assert {(turn.slices, turn.dropped) for turn in measured.turns} == {(5 * PASSES, 0)}
    groups = {len(one.operations[SEARCH].groups) for turn in measured.turns for one in turn.readings}
    assert groups == {PASSES // 3}  # 25 requests a slice, 60 a group


async def test_every_store_gets_the_same_windows_and_none_is_sent_twice_to_one(tmp_path: Path) -> None:
    fleet = Paused()
    await play(fleet, request(tmp_path, POLICY))
    windows: dict[str, list[tuple[int, int]]] = {}
    for name, segments in fleet.loads:
        for one in segments:
            if one.kind is SegmentKind.MEASURED and one.offset_ns:
                windows.setdefault(name, []).append((one.plan_start_ns, one.plan_end_ns))
    assert sorted(windows["embedded"]) == sorted(windows["other"]) == sorted(windows["third"])
    assert len(set(windows["embedded"])) == len(windows["embedded"]) == 3 * 5 * PASSES


async def test_a_burst_that_meets_neighbouring_slices_moves_no_ratio(tmp_path: Path) -> None:
    """From turn to turn it would move one store's median threefold."""
    policy = dataclasses.replace(POLICY, group_requests=20)
    fleet = Paused(burst=lambda load: 3.0 if load // 15 % 5 == 2 else 1.0)
    found = ratios(await play(fleet, request(tmp_path, policy)))
    assert [one.mean for one in found] == pytest.approx([math.log(1 / 2), math.log(1 / 3)], abs=0.02)


async def test_what_the_generator_spoilt_for_one_store_counts_for_none(tmp_path: Path) -> None:
    fleet = Paused(late=frozenset({20}))
    measured = await play(fleet, request(tmp_path, POLICY))
    assert [turn.dropped for turn in measured.turns if turn.round == 0] == [1, 1, 1]
    assert sum(turn.dropped for turn in measured.turns) == 3
    assert all(reading.usable for turn in measured.turns for reading in turn.readings)


@pytest.mark.parametrize("agent_loss", ["invalid", "continue"])
async def test_a_load_in_which_a_worker_was_lost_counts_for_no_store(tmp_path: Path, agent_loss: str) -> None:
    fleet = Paused()
    fleet.story.losses.append(Loss(LOST_AT, "local-1", "it ended", 0, 0, (1, 2), {}, None, worker="local-1/2"))
    generator = dataclasses.replace(Policy(), agent_loss=agent_loss)
    measured = await play(fleet, dataclasses.replace(request(tmp_path, POLICY), generator=generator))
    if agent_loss == "invalid":
        assert measured.broken is not None
        assert measured.broken[0] == "agent_lost"
        assert decide(measured, POLICY, lambda theta: []).verdict.exit_code == 3
    else:
        assert [turn.dropped for turn in measured.turns] == [0, 0, 0, 1, 1, 1, 0, 0, 0]


async def test_a_store_that_falls_behind_in_a_few_slices_is_measured_and_in_most_it_is_saturated(
    tmp_path: Path,
) -> None:
    seldom = await play(Paused(cut=lambda name, load: load % 7 == 0), request(tmp_path, POLICY))
    assert all(reading.usable for turn in seldom.turns for reading in turn.readings)
    (tmp_path / "more").mkdir()
    often = await play(Paused(cut=lambda name, load: name == "third"), request(tmp_path / "more", POLICY))
    faults = {(turn.store, one.fault, one.blame) for turn in often.turns for one in turn.readings}
    assert faults == {(0, "", False), (1, "", False), (2, SATURATED, True)}
    assert all(turn.dropped == 0 for turn in (*seldom.turns, *often.turns))


async def test_a_store_that_uses_a_processor_while_it_should_stand_still_makes_it_unfair(tmp_path: Path) -> None:
    measured = await play(Paused(goes_on=True), request(tmp_path, POLICY))
    found = decide(measured, POLICY, lambda theta: [])
    assert (found.verdict.exit_code, found.verdict.reasons[0].code) == (3, "unfair_alone")


async def test_a_store_that_ends_while_it_is_paused_is_found_and_named(tmp_path: Path) -> None:
    fleet = Paused(dies_at=40)
    measured = await play(fleet, request(tmp_path, POLICY))
    assert measured.broken is not None
    assert measured.broken[0] == "store_failed"
    assert "ended in the middle of its round with status -9; its last words: out of memory" in measured.broken[1]
    assert (fleet.alive, fleet.stopped) == ({}, set())


async def test_an_interrupt_that_takes_the_session_with_the_agent_along_is_told_as_one(tmp_path: Path) -> None:
    class Torn(Paused):
        async def load(self, *order: Any) -> list[LoadResult]:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                raise FleetError("agent local-1 was lost: its stream has ended") from None
            raise AssertionError("it was not cancelled")

    fleet = Torn()
    measured = await play(fleet, request(tmp_path, POLICY))
    assert measured.broken is not None
    assert measured.broken[0] == "interrupted"
    assert (fleet.alive, fleet.stopped) == ({}, set())


async def test_stores_that_cannot_be_paused_take_turns_of_one_piece(tmp_path: Path) -> None:
    fleet = Paused(refuses=True)
    measured = await play(fleet, request(tmp_path, POLICY))
    assert fleet.most_alive == 1
    assert measured.slice_ns == 0
    assert (measured.rounds, len(measured.turns)) == (3, 9)
    assert {turn.alone for turn in measured.turns} == {None}


async def test_a_store_with_a_process_for_each_value_takes_turns_too(tmp_path: Path) -> None:
    fleet = Paused()
    measured = await play(fleet, request(tmp_path, POLICY, applies="load"))
    assert (measured.slice_ns, fleet.most_alive) == (0, 1)


def test_sessions_of_slices_are_no_part_of_the_series_of_turns_which_stays_what_it_was() -> None:
    measured = measurement([0.0, 0.0])
    frontiers = [frontier_of(measured, number, POLICY) for number in (0, 1)]
    theta = thetas(measured, frontiers, POLICY)[0]

    def key(of: Measurement, **fields: Any) -> str:
        return series_of(of, theta, dataclasses.replace(CompetePolicy(), **fields), "digest", {"cpu": "x"})

    sliced = dataclasses.replace(measured, slice_ns=NS_PER_S // 4)
    assert (
        key(measured) == "208016f365535dd8"
    )  # as sessions are stored under that were recorded before there were slices
    assert key(measured, group_requests=100, slice_trim=0.2, slice_ns=0) == key(measured)
    others = [key(sliced), key(dataclasses.replace(measured, slice_ns=NS_PER_S)), key(sliced, group_requests=100)]
    assert len({key(measured), *others}) == 4


def test_a_slice_that_holds_next_to_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="slice = less than 100 ms"):
        check_policy(CompetePolicy(slice_ns=50 * NS_PER_MS))
    check_policy(CompetePolicy(slice_ns=0))
