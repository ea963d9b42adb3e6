"""Claims about several agents as one: lost and returning ones, controllers that vanish, queues. Real processes on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import perfgate, write_scenario, write_target
from embedded_store import embedded
from fault_server import FaultServer, always
from fleet_agents import Running, agent_processes, one_segment, small_scenario
from perfgate_agent.limits import Limits
from perfgate_controller.fleet import Fleet, dial
from perfgate_controller.fleet_story import Loss
from perfgate_controller.link import AgentLink, Holder
from perfgate_controller.member import SHARED, Member, Patience
from perfgate_controller.salvage import fetch, kept_runs, write
from secure_agents import configured, serving_agent

from perfgate.dataset import build_dataset
from perfgate.errors import FleetError
from perfgate.interval import Interval
from perfgate.interval_log import read_intervals
from perfgate.operation import Operation
from perfgate.plan import LANES, Plan
from perfgate.segment import Arm
from perfgate.targets.adapter import make_adapter
from perfgate.units import NS_PER_MS, NS_PER_S

STORED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
SEED = 1
SECONDS = 5.5
PATIENT = Patience(60 * NS_PER_S, 2500 * NS_PER_MS, 3 * NS_PER_S)
"""As patient as a machine needs that tests something else at the same time."""


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    with agent_processes(tmp_path_factory.mktemp("fleet"), ["a", "b", "c", "d"]) as running:
        yield running


def plan() -> Plan:
    return Plan(small_scenario(), SEED)


def sent_indices(requests: list[bytes], port: int, cache: Path) -> list[int]:
    """Which requests of the plan the store has got, as they came."""
    own = plan()
    dataset = build_dataset(own.scenario, SEED, cache, own.store_pool, own.num_queries)
    adapter = make_adapter(embedded(), dataset, "127.0.0.1", port)
    window = own.window(range(LANES), 0, round(SECONDS * NS_PER_S))
    rows = zip(window.key.tolist(), window.index.tolist(), strict=True)
    by_bytes = {adapter.encode(Operation.STORE, key, index): index for key, index in rows}
    return [by_bytes[request] for request in requests]


async def test_what_is_sent_twice_or_left_out_when_an_agent_is_lost_and_comes_back(agents: dict[str, Running]) -> None:
    """One is killed; another one's machine stands still until it has been given up, and goes on then."""
    addresses = [one.address for one in agents.values()]
    async with FaultServer(always(STORED)) as store, dial(addresses, "run", patience=PATIENT) as fleet:
        heard: list[Interval] = []
        fleet.on_interval(heard.append)
        await fleet.prepare_data(small_scenario(), SEED)
        load = asyncio.ensure_future(
            fleet.load(small_scenario(), SEED, embedded(), {Arm.BASE: store.address}, one_segment(SECONDS))
        )
        while len(store.requests) < 40:
            await asyncio.sleep(0.02)
        agents["d"].kill()  # no other test needs it
        with agents["c"].stopped():
            await fleet.links[2].ended()
        results = await load
        losses = {loss.agent: loss for loss in fleet.story.losses}
        indices = sent_indices(store.requests, store.port, agents["a"].directory.parent / "cache")
        assert [link.name for link in fleet.loaders] == ["a", "b"], "whoever was lost takes part no more"
    assert set(losses) == {"c", "d"}
    assert len(results) == 2
    assert all(result.difference == "" for result in results)
    assert len(indices) == len(set(indices)), "a request was sent twice"
    check_what_is_missing(indices, list(losses.values()))
    planned = len(plan().window(range(LANES), 0, round(SECONDS * NS_PER_S)))
    assert sum(one.due for one in heard) + sum(loss.unknown for loss in losses.values()) == planned
    assert sum(one.sent for one in heard) <= len(indices), "nothing that came in was invented"


def check_what_is_missing(indices: list[int], losses: list[Loss]) -> None:
    """Only what a lost agent had to send, from its loss until somebody else sent it."""
    window = plan().window(range(LANES), 0, round(SECONDS * NS_PER_S))
    sent = set(indices)
    for index, lane, time_ns in zip(window.index.tolist(), window.lane.tolist(), window.time_ns.tolist(), strict=True):
        if index not in sent:
            assert any(
                lane in loss.lanes and loss.resumed_ns is not None and time_ns < loss.resumed_ns for loss in losses
            ), f"request {index} of lane {lane}, due at {time_ns / NS_PER_S:.3f} s, was left out"
    for loss in losses:
        assert sorted(lane for lanes in loss.taken.values() for lane in lanes) == list(loss.lanes)
        after = plan().window(loss.lanes, loss.resumed_ns or 0, round(SECONDS * NS_PER_S))
        assert set(after.index.tolist()) <= sent


async def test_a_controller_that_falls_silent_ends_the_load_and_what_was_measured_is_kept(
    agents: dict[str, Running], tmp_path: Path
) -> None:
    agent = agents["a"]
    link = AgentLink(agent.address, patience=SHARED)
    async with FaultServer(always(STORED)) as store:
        await link.describe()
        await link.hold("ci", "nightly", "run-1")
        await link.prepare_data(small_scenario(), SEED)
        addresses = {Arm.BASE: store.address}
        await link.prepare_load(small_scenario(), SEED, embedded(), addresses, one_segment(60), list(range(LANES)), 1)
        await link.start_at(0)
        for task in link._tending:  # half open: the stream stays, and nothing is said any more
            task.cancel()
        assert link.part is not None
        permit_ns = link.part.permit_ns
        other = AgentLink(agent.address)
        await other.describe()
        while not [one for one in other.kept if one.run_id == "run-1"]:
            await asyncio.sleep(0.1)
            await other.close()
            other = AgentLink(agent.address)
            await other.describe()
        await other.hold("ci", "the lease is free again", wait_s=20)  # kept first, then released
        (run,) = [one for one in await kept_runs([other]) if one.run_id == "run-1"]
        salvaged = await fetch([other], run)
        record = write(salvaged, tmp_path)
        await other.close()
        await link.close()
        got = len(store.requests)
    assert (run.run, run.holder.split()[0], run.reason) == ("nightly", "ci", "its controller fell silent")
    assert 0 < got <= len(plan().window(range(LANES), 0, permit_ns)) + LANES
    assert sum(one.sent for one in salvaged.intervals) == got
    assert not record.complete
    assert "was lost" in record.warnings[0]
    assert sum(one.sent for _, one in read_intervals(tmp_path / "intervals.jsonl").intervals) == got


async def test_two_controllers_that_want_the_same_agents_get_them_one_after_the_other(
    agents: dict[str, Running],
) -> None:
    told: list[tuple[Holder, int]] = []
    order: list[str] = []
    addresses = [agents[name].address for name in "abc"]

    async def use(name: str, wanted: list[str]) -> None:
        async with dial(wanted, name, wait_s=60, queued=lambda holder, before: told.append((holder, before))) as fleet:
            order.append(name)
            assert len(fleet.links) == len(wanted)
            await asyncio.sleep(0.1)
            order.append(name)

    users = [use(f"run {number}", addresses[:: 1 if number % 2 else -1]) for number in range(4)]
    async with asyncio.timeout(60):
        await asyncio.gather(*users)
    assert order[::2] == order[1::2], "two controllers had an agent at once"
    assert told
    assert all(before >= 1 for _, before in told)
    assert any("run" in holder.who for holder, _ in told)


async def test_whoever_does_not_wait_is_told_who_holds_the_agent_and_keeps_none_of_the_others(
    agents: dict[str, Running],
) -> None:
    a, b = agents["a"].address, agents["b"].address
    async with dial([b], "the first run"):
        with pytest.raises(FleetError, match=r"b is taken: .*the first run.* holds it since"):
            async with dial([a, b], "second"):
                raise AssertionError("b is not free")
        with pytest.raises(FleetError, match=r"b was not free within 0\.2 s: .*the first run"):
            async with dial([a, b], "third", wait_s=0.2):
                raise AssertionError("b is not free")
        async with dial([a], "a was given back") as fleet:
            assert fleet.host.name == "a"


async def test_one_agent_is_not_taken_for_two(agents: dict[str, Running]) -> None:
    address = agents["a"].address
    with pytest.raises(FleetError, match="are one agent"):
        async with dial([address, address.replace("127.0.0.1", "localhost")], "run"):
            raise AssertionError("it is one agent")


async def test_lanes_go_by_weight_and_the_counts_of_both_sides_agree(agents: dict[str, Running]) -> None:
    members = [
        Member(agents["a"].address),
        Member(agents["b"].address, weight=3.0),
        Member(agents["c"].address, loads=False),
    ]
    heard: list[Interval] = []
    async with FaultServer(always(STORED)) as store, dial(members, "run") as fleet:
        fleet.on_interval(heard.append)
        results = await load(fleet, store, 1.0)
        due = {report.worker: report.due for result in results for report in result.reports}
    expected = len(plan().window(range(LANES), 0, NS_PER_S))
    assert set(due) == {"a/1", "b/1"}, "c does not load"
    assert sum(due.values()) == expected == sum(one.due for one in heard)
    assert due["b/1"] > 2 * due["a/1"]
    assert [result.difference for result in results] == ["", ""]
    (start,) = fleet.story.starts
    assert start.spread_ns >= 0
    assert start.bound_ns > 0
    assert set(fleet.story.to_json()) == {"starts"}


async def load(fleet: Fleet, store: FaultServer, seconds: float) -> list:  # type: ignore[type-arg]
    await fleet.prepare_data(small_scenario(), SEED)
    addresses = {Arm.BASE: store.address}
    return await fleet.load(small_scenario(), SEED, embedded(), addresses, one_segment(seconds))


@pytest.mark.slow
async def test_an_agent_beyond_whose_limits_lanes_would_go_leaves_the_run_lost(tmp_path: Path) -> None:

    names = ["small", "large"]
    limits = [Limits(rate=31.0), Limits()]
    async with FaultServer(always(STORED)) as store:
        made = [
            dataclasses.replace(configured(tmp_path / name, None, limit), name=name)
            for name, limit in zip(names, limits, strict=True)
        ]
        async with (
            serving_agent(made[0]) as (small, _), serving_agent(made[1]) as (large, _), dial([small, large], "run") as fleet,
        ):  # fmt: skip
            running = asyncio.ensure_future(load(fleet, store, 30.0))
            while len(store.requests) < 10:
                await asyncio.sleep(0.02)
            fleet.links[1]._lose("cut off by the test")
            with pytest.raises(FleetError, match=r"nobody can take over its 32 lanes: .*this agent sends 31 at most"):
                await running


def test_check_says_of_each_agent_what_it_is_and_names_those_that_are_not_there(
    agents: dict[str, Running], tmp_path: Path
) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(
        f'[target]\naddress = "http://{agents["b"].address}"\n'
        + "".join(
            f'[[hosts]]\nname = "{name}"\naddress = "{agents[name].address}"\nroles = ["load"{role}]\n'
            for name, role in (("a", ', "host"'), ("b", ""))
        )
        + '[[hosts]]\nname = "gone"\naddress = "127.0.0.1:9"\n'
    )
    done = perfgate(["fleet", "check", str(file), "--json"], tmp_path)
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert told["fit"] is False
    a, b, gone = told["agents"]
    assert (a["agent"], b["agent"], a["workers"]) == ("a", "b", 1)
    assert a["clock"]["bound_ns"] > 0
    assert b["distances"][0]["least_ns"] > 0
    assert "does not answer" in gone["spoils"][0]
    plain = perfgate(["fleet", "check", str(file)], tmp_path)
    assert "SPOILS  agent 127.0.0.1:9 does not answer" in plain.stdout
    assert "gone" in plain.stdout.splitlines()[-1]
    listed = perfgate(["fleet", "salvage", str(file), "--list"], tmp_path)
    assert listed.returncode == 0, listed.stderr


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_run_and_a_gate_on_a_fleet_file_come_to_an_end_with_what_their_agents_went_through(
    agents: dict[str, Running], tmp_path: Path
) -> None:
    """a starts the stores and sends nothing; b and c load."""
    file, scenario = tmp_path / "fleet.toml", write_scenario(tmp_path, gate="max_start_spread_ms = 0.001\n")
    file.write_text(
        "".join(
            f'[[hosts]]\nname = "{name}"\naddress = "{agents[name].address}"\nroles = ["{role}"]\n'
            for name, role in (("b", "load"), ("a", "host"), ("c", "load"))
        )
    )
    target = str(write_target(tmp_path))
    ran = perfgate(
        ["run", str(scenario), "--target", target, "--fleet", str(file), "--out", str(tmp_path / "r")], tmp_path
    )
    assert "of agent b" in ran.stdout or ran.returncode == 0, ran.stdout + ran.stderr
    record = json.loads((tmp_path / "r" / "result.json").read_text())["record"]
    assert {load["worker"] for load in record["workers"]} == {"b/1", "c/1"}
    assert record["environment"]["fleet"]["starts"]["known_to_ms"] > 0
    assert any("ms apart" in text or "us apart" in text or "µs apart" in text for text in record["warnings"])
    words = ["gate", str(scenario), "--target", target, "--fleet", str(file), "--out", str(tmp_path / "g")]
    gated = perfgate([*words, "--base", "default", "--candidate", "failing"], tmp_path, timeout=180)
    assert gated.returncode == 1, gated.stdout + gated.stderr
    told = json.loads((tmp_path / "g" / "result.json").read_text())["record"]
    assert told["environment"]["fleet"]["starts"]["loads"] >= 2
    both = perfgate([*words, "--agents", "127.0.0.1:1"], tmp_path)
    assert both.returncode == 3
    assert "give one of them" in both.stderr
