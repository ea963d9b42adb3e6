"""What an agent may not do, whoever asks for it: files, programs, addresses, and how much."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from pathlib import Path

import pytest
from cluster import write_scenario, write_target
from perfgate_agent.allowed import AllowedAddresses
from perfgate_agent.limits import Limits
from perfgate_controller.dial_tls import make_channel
from perfgate_controller.fleet import dial
from secure_agents import Certified, configured, serving_agent

from perfgate.address import Address
from perfgate.errors import InputError
from perfgate.scenario import load_scenario
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.load import load_target
from perfgate.units import NS_PER_S
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc


async def test_an_examination_connects_to_nothing_that_the_agent_may_not_load(
    certified: Certified, tmp_path: Path
) -> None:
    connected = 0

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    allowed = AllowedAddresses.parse([f"127.0.0.1:{port + 1}"], "load.addresses")
    configuration = configured(tmp_path / "a", certified.agent, allowed=allowed)
    async with serving_agent(configuration) as (address, _), make_channel(address, certified.controller) as channel:
        wanted = [pb.Address(host="127.0.0.1", port=port), pb.Address(path="/run/docker.sock")] * 20
        seen = await rpc.AgentStub(channel).Examine(pb.ExamineRequest(targets=wanted))
    server.close()
    assert len(seen.targets) == 8
    assert all("may not load" in one.problem for one in seen.targets)
    assert connected == 0


ESCAPES = ["outside.npy", "/etc/secret.npy", "vectors/../outside.npy", "vectors/link.npy", "vectors-other/x.npy"]


@pytest.mark.parametrize("path", ESCAPES)
async def test_no_file_outside_of_the_directories_for_vectors_is_read(
    certified: Certified, tmp_path: Path, path: str
) -> None:
    vectors = tmp_path / "vectors"
    vectors.mkdir()
    (tmp_path / "outside.npy").write_bytes(b"secret")
    (vectors / "link.npy").symlink_to(tmp_path / "outside.npy")
    scenario = with_vectors(tmp_path, str(tmp_path / path))
    configuration = configured(tmp_path / "a", certified.agent, vectors=(vectors,))
    async with serving_agent(configuration) as (address, _), dial([address], "run", certified.controller) as fleet:
        with pytest.raises(InputError, match=r"may not read .*load.vector_directories"):
            await fleet.host.prepare_data(scenario, 1)


def with_vectors(directory: Path, path: str) -> Scenario:
    """As a controller may send it: its own check, for a file that is there, is left out."""
    scenario = load_scenario(write_scenario(directory))
    document = json.loads(scenario.source)
    document["data"]["embedding_distribution"] = {"type": "file", "path": path}
    return dataclasses.replace(scenario, source=json.dumps(document))


@pytest.mark.parametrize("name", ["../embedded", "/bin/sh", "embedded; reboot", "$(reboot)", ""])
async def test_only_targets_of_the_agents_own_list_are_started(
    agent: str, certified: Certified, tmp_path: Path, name: str
) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    async with dial([agent], "run", certified.controller) as fleet:
        with pytest.raises(InputError, match="may not start target"):
            await fleet.host.launch(name, ["default"], scenario, 1)


FORBIDDEN = [
    Address("192.0.2.1", 80), Address("10.0.0.1", 7433), Address("10.0.0.1.evil.example", 7432), Address("::ffff:192.0.2.1", 80),
    Address("evil.example.org", 7432), Address("0.0.0.0", 7432), Address("2130706433", 7432),
    Address.unix("/run/docker.sock"), Address.unix("/run/stores/../docker.sock"), Address.unix("/run/stores-evil/x"),
]  # fmt: skip


async def test_no_address_outside_of_the_list_is_loaded_nor_connected_to(certified: Certified, tmp_path: Path) -> None:
    allowed = AllowedAddresses.parse(["10.0.0.0/8:7432", "store.example.org", "unix:/run/stores"], "load.addresses")
    scenario, target = load_scenario(write_scenario(tmp_path)), load_target(write_target(tmp_path))
    configuration = configured(tmp_path / "a", certified.agent, allowed=allowed)
    async with serving_agent(configuration) as (address, _), dial([address], "run", certified.controller) as fleet:
        for one in FORBIDDEN:
            with pytest.raises(
                InputError, match=r"may not load .*allowed here: 10\.0\.0\.0/8:7432, store\.example\.org"
            ):
                await fleet.host.populate(target, scenario, 1, one)
            with pytest.raises(InputError, match="may not load"):
                await fleet.host.prepare_load(scenario, 1, target, {Arm.BASE: one}, [], [0], 1)


def segment(seconds: float, offset: float = 0.0, arm: Arm = Arm.BASE) -> Segment:
    return Segment(0, arm, SegmentKind.MEASURED, 0, 0, round(seconds * NS_PER_S), round(offset * NS_PER_S))


LOADS = [
    (Limits(run_ns=10 * NS_PER_S), [segment(11)], "a load of 11.0 s, but this agent loads for 10 s at most"),
    (Limits(run_ns=10 * NS_PER_S), [segment(1), segment(1, 9.5)], "a load of 10.5 s"),
    (Limits(rate=399), [segment(1)], "a load of up to 400 requests/s, but this agent sends 399 at most"),
    (Limits(rate=799), [segment(1), segment(1, 0.5, Arm.CANDIDATE)], "up to 800 requests/s"),
    (Limits(connections=3), [segment(1)], "connections = .*opens 3 at most"),
    (Limits(memory_bytes=1000), [segment(1)], "400 of 16 dimensions are 0 MB, but this agent's memory_mb"),
    (Limits(), [segment(-1)], "times are out of order"),
]


@pytest.mark.parametrize(("limits", "segments", "words"), LOADS)
async def test_a_load_beyond_a_limit_is_refused_with_the_limit(
    certified: Certified, tmp_path: Path, limits: Limits, segments: list[Segment], words: str
) -> None:
    scenario, target = load_scenario(write_scenario(tmp_path)), load_target(write_target(tmp_path))
    configuration = configured(tmp_path / "a", certified.agent, limits)
    async with serving_agent(configuration) as (address, _), dial([address], "run", certified.controller) as fleet:
        with pytest.raises(InputError, match=words):
            await fleet.host.prepare_load(
                scenario, 1, target, {Arm.BASE: Address("127.0.0.1", 9)}, segments, list(range(64)), 1
            )


async def test_more_stores_than_allowed_are_not_started(certified: Certified, tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    configuration = configured(tmp_path / "a", certified.agent, Limits(processes=2))
    async with serving_agent(configuration) as (address, _), dial([address], "run", certified.controller) as fleet:
        with pytest.raises(InputError, match=r"0 stores are running and 3 more are asked for.*2 at most"):
            await fleet.host.launch("embedded", ["default"] * 3, scenario, 1)


async def test_a_start_on_another_clock_is_refused(agent: str, certified: Certified) -> None:
    async with dial([agent], "run", certified.controller) as fleet:
        with pytest.raises(InputError, match="too far ahead"):
            await fleet.host.start_at(time.monotonic_ns() + 3600 * NS_PER_S)
