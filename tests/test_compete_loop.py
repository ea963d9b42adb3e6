"""The loop of a competition in turns of one piece, on a fleet that is made up: who runs when, and what each store gets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from perfgate_controller.compete_loop import Competition
from perfgate_controller.compete_request import CompeteRequest
from perfgate_controller.fleet_story import FleetStory, Loss
from perfgate_controller.link import LoadResult, Running

from perfgate.address import Address
from perfgate.compete.contender import make_contenders, read_entry
from perfgate.compete.model import SATURATED, Measurement
from perfgate.compete.policy import CompetePolicy
from perfgate.compete.rates import rate_search
from perfgate.errors import FleetError, TargetError
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.load_report import LoadReport
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES
from perfgate.progress import Event
from perfgate.scenario import parse_scenario
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.model import Target
from perfgate.units import NS_PER_MS, NS_PER_S

EMBEDDED = Path(__file__).parent.parent / "targets" / "embedded.toml"
SEARCH = Operation.EMBEDDING_SEARCH
SCENARIO = parse_scenario(
    {
        "name": "small", "duration": {"total_seconds": 10}, "arrival": {"pattern": "constant", "rate": 100},
        "operations": {"embedding_search_weight": 1}, "data": {"num_nodes": 1_000, "embedding_dim": 8},
    }
)  # fmt: skip
POLICY = CompetePolicy(recall=0.9, min_rounds=4, max_rounds=4, measured_ns=NS_PER_S, warmup_windows=4, slice_ns=0)
RECALL = {10: 0.85, 16: 0.88, 32: 0.95, 64: 0.98, 128: 0.99}


class Silent:
    def handle(self, event: Event) -> None:
        pass


class MadeUp:
    """A fleet and its host in one. latency_ns: of all replies of a load, by target. capacity: requests/s beyond which replies
    take 50 times as long, and beyond twice of which load is cut."""

    def __init__(self, latency_ns: Callable[[Target], float], capacity: float = 1e9) -> None:
        self.latency_ns, self.capacity = latency_ns, capacity
        self.alive: dict[int, str] = {}
        self.launched: list[str] = []
        self.loads: list[tuple[str, tuple[Segment, ...]]] = []
        self.most_alive = 0
        self.fail_at = -1
        self.story, self.epoch = FleetStory(), 0
        self.environment = {"local-1": {"cpu": "x"}}
        self.on_exit: Any = None
        self._handler: Callable[[Interval], None] = lambda interval: None

    @property
    def host(self) -> MadeUp:
        return self

    def on_interval(self, handler: Callable[[Interval], None]) -> None:
        self._handler = handler

    def on_progress(self, handler: Callable[[str, float], None]) -> None:
        pass

    async def prepare_data(self, scenario: Scenario, seed: int) -> None:
        pass

    async def install(self, target: str, variant: str, scenario: Scenario, seed: int) -> SimpleNamespace:
        return SimpleNamespace(memories=1_000, bytes=1, start_ns=1, load_ns=1)

    async def launch(self, target: str, variants: Sequence[str], scenario: Scenario, seed: int) -> list[Running]:
        if len(self.launched) == self.fail_at:
            raise TargetError("the fresh process holds 0 memories instead of 1000")
        self.launched.append(target)
        handle = len(self.launched)
        self.alive[handle] = target
        self.most_alive = max(self.most_alive, len(self.alive))
        return [Running(handle, Address("127.0.0.1", 1), os.getpid(), 5, (0,))]

    async def terminate(self, handle: int) -> None:
        del self.alive[handle]

    async def load(
        self,
        scenario: Scenario,
        seed: int,
        target: Target,
        addresses: Mapping[Arm, Address],
        segments: Sequence[Segment],
    ) -> list[LoadResult]:
        self.epoch += 1
        self.loads.append((target.name, tuple(segments)))
        rate = rate_at(scenario, segments[-1].plan_start_ns)
        total = 0
        for segment in segments:
            count = max(1, round(rate * segment.duration_ns / NS_PER_S))
            total += count
            slow = 50.0 if rate > self.capacity else 1.0
            response = Histogram.of([round(slow * self.latency_ns(target))] * count)
            found = round(1_000 * RECALL[int(target.options["ef"])])
            recalls = (*[0] * 9, 100 - found // 10, found // 10)
            part = OperationInterval(
                response, response, (count,) + (0,) * (len(OUTCOMES) - 1), 100, found, 1_000, recalls=recalls
            )
            lag = Histogram.of([1_000] * count)
            self._handler(
                Interval(
                    segment.number, segment.offset_ns, segment.end_ns, count, count, segment.end_ns, {SEARCH: part}, lag,
                    Histogram.empty(), "w",
                )
            )  # fmt: skip
        saturated = rate > 2 * self.capacity
        return [LoadResult((LoadReport("w", total, total, total, 0, 0, saturated=saturated),), 0.0)]


def rate_at(scenario: Scenario, plan_ns: int) -> float:
    """Of a constant scenario, or of a ladder's rung."""
    if scenario.arrival.pattern == "constant":
        return float(scenario.arrival.parameters["rate"])
    steps = scenario.arrival.parameters["steps"]
    step = steps[plan_ns // (60 * NS_PER_S)]
    return float(step["ops"] if isinstance(step, Mapping) else step[0])


def request(directory: Path, policy: CompetePolicy = POLICY, applies: str = "request", **fields: Any) -> CompeteRequest:
    text = EMBEDDED.read_text().replace("version_command = ", 'version = "1.0" # ')
    for name, how in (("embedded", "request"), ("other", applies), ("third", "request")):
        mine = text.replace('name = "embedded"', f'name = "{name}"')
        (directory / f"{name}.toml").write_text(mine.replace("values = [10,", f'applies = "{how}"\nvalues = [10,'))
    entries = [read_entry(str(directory / f"{name}.toml")) for name in ("embedded", "other", "third")]
    contenders = make_contenders(entries, directory / "targets", False)
    return CompeteRequest(SCENARIO, 1, contenders, policy, Policy(), directory, **fields)


async def play(fleet: MadeUp, asked: CompeteRequest) -> Measurement:
    return await Competition(asked, fleet, Silent()).run()  # type: ignore[arg-type]


def by_name(target: Target) -> float:
    base = {"embedded": 1.0, "third": 3.0}.get(target.name, 2.0)
    return base * NS_PER_MS * (1 + int(target.options["ef"]) / 100)


async def test_never_two_stores_run_and_every_store_gets_the_same_windows(tmp_path: Path) -> None:
    fleet = MadeUp(by_name)
    measured = await play(fleet, request(tmp_path))
    assert fleet.most_alive == 1
    assert fleet.alive == {}
    assert len(fleet.launched) == 4 * 3
    assert measured.rounds == 4
    assert [sorted(turn.store for turn in measured.turns if turn.round == number) for number in range(4)] == [
        [0, 1, 2]
    ] * 4
    windows: dict[str, list[tuple[int, int]]] = {}
    for name, segments in fleet.loads:
        for one in segments:
            if one.kind is SegmentKind.MEASURED and one.offset_ns:
                windows.setdefault(name, []).append((one.plan_start_ns, one.plan_end_ns))
    assert sorted(windows["embedded"]) == sorted(windows["other"]) == sorted(windows["third"])
    assert len(set(windows["embedded"])) == 4 * 5  # none is sent twice


async def test_a_store_whose_value_is_loaded_with_it_has_a_process_for_each(tmp_path: Path) -> None:
    fleet = MadeUp(by_name)
    measured = await play(fleet, request(tmp_path, applies="load"))
    others = [name for name in fleet.launched if name.startswith("other")]
    assert sorted(others) == sorted([f"other.ef-{value}" for value in (10, 16, 32, 64, 128)] * 4)
    assert fleet.most_alive == 1
    assert all(len(turn.readings) == 5 for turn in measured.turns)


async def test_rounds_end_when_the_ratios_are_precise_and_go_on_while_they_are_not(tmp_path: Path) -> None:
    policy = dataclasses.replace(POLICY, min_rounds=4, max_rounds=9)
    calm = await play(MadeUp(by_name), request(tmp_path, policy))
    assert calm.rounds == 4
    calls = iter(range(10_000))
    restless = MadeUp(lambda target: by_name(target) * (1 + next(calls) % 7))
    (tmp_path / "more").mkdir()
    assert (await play(restless, request(tmp_path / "more", policy))).rounds == 9


async def test_the_rate_search_finds_what_each_store_holds_to_its_precision(tmp_path: Path) -> None:
    policy = dataclasses.replace(POLICY, p99_limit_ns=20 * NS_PER_MS, rate_rounds=2)
    fleet = MadeUp(by_name, capacity=300.0)
    measured = await play(fleet, request(tmp_path, policy, rates=rate_search(SCENARIO, 100.0, 0.05)))
    rates = [turn.rate for turn in measured.turns if turn.rate is not None]
    assert len(rates) == 2 * 3  # from the second round on
    assert all(300 / 1.06 < rate <= 300 for rate in rates)
    assert [measured.stores[one].values[value] for one, value in enumerate(measured.rate_value)] == ["32"] * 3


async def test_a_store_that_is_cut_is_to_blame_and_the_reading_counts_for_nothing(tmp_path: Path) -> None:
    measured = await play(MadeUp(by_name, capacity=40.0), request(tmp_path))
    readings = [reading for turn in measured.turns for reading in turn.readings]
    assert {(reading.fault, reading.blame) for reading in readings} == {(SATURATED, True)}


async def test_a_store_that_serves_other_data_ends_it_and_what_was_measured_is_kept(tmp_path: Path) -> None:
    fleet = MadeUp(by_name)
    fleet.fail_at = 7
    measured = await play(fleet, request(tmp_path))
    assert measured.broken is not None
    assert measured.broken[0] == "store_failed"
    assert "0 memories" in measured.broken[1]
    assert len(measured.turns) == 7
    assert fleet.alive == {}


async def test_a_load_in_which_a_worker_was_lost_is_no_turn_though_others_took_its_lanes(tmp_path: Path) -> None:
    fleet = MadeUp(by_name)
    fleet.story.losses.append(Loss(1, "a", "worker a/1 was lost: killed", 1, 1, (1,), {"a": (1,)}, 2, worker="a/1"))
    with pytest.raises(FleetError, match="worker a/1 was lost: killed; its 1 lanes went to a"):
        await play(fleet, request(tmp_path))


async def test_an_agent_that_is_lost_before_anything_was_measured_is_a_failure_and_no_verdict(tmp_path: Path) -> None:
    class Lost(MadeUp):
        async def prepare_data(self, scenario: Scenario, seed: int) -> None:
            raise FleetError("agent local-1 was lost")

    with pytest.raises(FleetError):
        await play(Lost(by_name), request(tmp_path))


async def test_no_round_is_begun_that_would_end_after_the_time_limit(tmp_path: Path) -> None:
    measured = await play(MadeUp(by_name), request(tmp_path, time_limit_ns=1))
    assert measured.rounds == 1
