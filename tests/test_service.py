"""Claims about an agent as controllers meet it, over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cluster import write_scenario, write_target
from perfgate_agent.service import AgentService
from perfgate_controller.fleet import dial
from perfgate_controller.link import AgentLink
from perfgate_controller.local import LocalAgents, local_agents
from secure_agents import configured

from perfgate import __version__
from perfgate.address import Address
from perfgate.errors import FleetError, InputError, TargetError
from perfgate.scenario import load_scenario
from perfgate.targets.load import load_target
from perfgate.wire import version
from perfgate.wire.v1 import wire_pb2 as pb


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[str]:
    wanted = LocalAgents(1, 1, (write_target(tmp_path),), tmp_path / "cache", tmp_path / "work")
    async with local_agents(wanted, tmp_path) as addresses:
        yield addresses[0]


async def test_a_second_controller_is_told_who_holds_the_agent_and_gets_it_afterwards(agent: str) -> None:
    async with dial([agent], "the first run"):
        second = AgentLink(agent)
        with pytest.raises(FleetError, match=r"is taken: .*the first run.* holds it since"):
            await second.open("somebody", "another run")
        await second.close()
    third = AgentLink(agent)
    await third.open("somebody", "another run")
    await third.close()


async def test_another_version_is_named_and_not_crashed_on(agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = version.PROTOCOL
    monkeypatch.setattr(version, "PROTOCOL", 99)
    link = AgentLink(agent)
    with pytest.raises(FleetError, match=rf"protocol 99 here .* protocol {theirs} there .*install the same perfgate"):
        await link.open("somebody", "run")
    await link.close()


async def test_an_agent_that_is_not_there_is_named_with_what_to_look_at() -> None:
    link = AgentLink("127.0.0.1:9")
    link.dial_s = 0.5
    with pytest.raises(FleetError, match="perfgate agent serve"):
        await link.open("somebody", "run")
    await link.close()


async def test_a_target_that_the_agent_does_not_know_is_refused(agent: str, tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    async with dial([agent], "run") as fleet:
        with pytest.raises(InputError, match="may not start target 'other'"):
            await fleet.host.install("other", "default", scenario, 1)
        with pytest.raises(TargetError, match="has no variant 'other'"):
            await fleet.host.install("embedded", "other", scenario, 1)


async def test_an_address_off_loopback_is_never_loaded(agent: str, tmp_path: Path) -> None:
    scenario, target = load_scenario(write_scenario(tmp_path)), load_target(write_target(tmp_path))
    async with dial([agent], "run") as fleet:
        with pytest.raises(InputError, match=r"may not load http://192\.0\.2\.1:80"):
            await fleet.host.populate(target, scenario, 1, Address("192.0.2.1", 80))


async def test_processes_of_a_session_end_with_it(agent: str, tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    async with dial([agent], "run") as fleet:
        await fleet.host.install("embedded", "default", scenario, 1)
        running = await fleet.host.launch("embedded", ["default", "default"], scenario, 1)
        assert [process.address.port for process in running] == sorted(process.address.port for process in running)
        assert all(Path(f"/proc/{process.pid}").exists() for process in running)
    again = AgentLink(agent)
    await again.open("somebody", "the next one")  # the lease is free only when everything has ended
    assert not any(Path(f"/proc/{process.pid}").exists() for process in running)
    assert not list((tmp_path / "work").glob("session-*/process-*"))
    await again.close()


async def test_a_garbled_command_is_answered_and_the_session_goes_on(agent: str) -> None:
    async with dial([agent], "run") as fleet:
        with pytest.raises(InputError, match="not one this agent knows"):
            await fleet.host._call(pb.Command())
        broken = pb.PrepareData(scenario=pb.ScenarioRef(scenario_json="{", seed=1))
        with pytest.raises(InputError, match="not JSON"):
            await fleet.host._call(pb.Command(prepare_data=broken))
        assert (await fleet.host._call(pb.Command(clock_probe=pb.ClockProbe()))).clock_reading.monotonic_ns > 0


class LateWrites:
    """A stream whose other side has heard each event a while before its write comes back."""

    def __init__(self) -> None:
        self.said: list[pb.Event] = []

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}

    async def write(self, event: pb.Event) -> None:
        self.said.append(event)
        await asyncio.sleep(0.1)

    async def heard(self, kind: str) -> pb.Event:
        async with asyncio.timeout(30):
            while not (found := [one for one in self.said if one.WhichOneof("event") == kind]):
                await asyncio.sleep(0.001)
        return found[0]


async def test_what_a_controller_says_the_moment_it_is_welcome_is_answered(tmp_path: Path) -> None:
    context = LateWrites()

    async def commands() -> AsyncIterator[pb.Command]:
        yield pb.Command(id=1, hello=pb.Hello(protocol=version.PROTOCOL, perfgate_version=__version__, controller="ci"))
        await context.heard("welcome")
        yield pb.Command(id=2, clock_probe=pb.ClockProbe())
        await context.heard("clock_reading")

    await AgentService(configured(tmp_path / "a", None)).Session(commands(), context)
    assert [one.reply_to for one in context.said if one.reply_to] == [1, 2]
