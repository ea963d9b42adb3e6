"""The threats of docs/security.md to whom is trusted, each tried against a real server on loopback."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import grpc
import pytest
from perfgate_controller.dial_tls import make_channel
from perfgate_controller.fleet import dial
from secure_agents import PATIENCE_S, Certified, configured, refusal, serving_agent

from perfgate import __version__
from perfgate.certs.authority import Party
from perfgate.errors import InputError
from perfgate.trust.inspect import inspect
from perfgate.trust.role import Role
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate.wire.version import PROTOCOL


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Of another authority."""
    return Certified(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Certificates of 90 days, made 91 days ago."""
    return Certified(tmp_path_factory.mktemp("expired"), days_ago=91)


async def test_a_controller_with_its_certificate_gets_the_agent_and_is_named_by_it(
    agent: str, certified: Certified
) -> None:
    async with dial([agent], "run", certified.controller):
        words = await refusal(agent, certified.controller)
        assert "is taken: ci (" in words, "the holder is shown by the name in its certificate"
    assert await refusal(agent, certified.controller, PATIENCE_S) == ""
    assert await refusal(agent.replace("127.0.0.1", "localhost"), certified.controller, PATIENCE_S) == ""


async def test_a_controller_of_another_authority_is_refused(
    agent: str, certified: Certified, strangers: Certified
) -> None:
    mixed = dataclasses.replace(strangers.controller, ca=certified.controller.ca)
    assert "does not take this controller's certificate" in await refusal(agent, mixed)
    assert await refusal(agent, certified.controller, PATIENCE_S) == ""


async def test_an_agent_of_another_authority_is_not_trusted(agent: str, strangers: Certified) -> None:
    words = await refusal(agent, strangers.controller)
    assert "is not trusted: " in words
    assert "perfgate certs show" in words


async def test_an_expired_controller_is_refused(certified: Certified, expired: Certified, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"certificate has expired.*perfgate certs rotate"):
        inspect(expired.controller, Role.CONTROLLER)
    stale = dataclasses.replace(expired.controller, ca=certified.controller.ca)
    trusting = dataclasses.replace(certified.agent, ca=tmp_path / "both.pem")
    trusting.ca.write_bytes(certified.agent.ca.read_bytes() + expired.agent.ca.read_bytes())
    async with serving_agent(configured(tmp_path / "a", trusting)) as (address, _):
        assert "does not take this controller's certificate" in await refusal(address, stale)
        assert await refusal(address, certified.controller, PATIENCE_S) == ""


async def test_an_expired_agent_neither_starts_nor_is_trusted(
    certified: Certified, expired: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = configured(tmp_path / "a", expired.agent)
    with pytest.raises(InputError, match="certificate has expired"):
        async with serving_agent(configuration):
            pass
    monkeypatch.setattr("perfgate_agent.serve.inspect", lambda *_: inspect(certified.agent, Role.AGENT))
    async with serving_agent(configuration) as (address, _):  # as it expires in the middle of its life
        trusting = dataclasses.replace(certified.controller, ca=expired.controller.ca)
        words = await refusal(address, trusting)
        assert "certificate has expired" in words
        assert "rotate" in words


async def test_an_observer_may_ask_for_the_state_but_hold_nothing(agent: str, certified: Certified) -> None:
    words = await refusal(agent, certified.observer)
    assert "the certificate of eye has the role observer; controller is needed for this" in words
    async with make_channel(agent, certified.observer) as channel:
        described = await rpc.AgentStub(channel).Describe(pb.DescribeRequest(protocol=PROTOCOL))
        assert described.name == "perf-1"
        assert (await rpc.AgentStub(channel).ReadClock(pb.ClockProbe())).monotonic_ns > 0
        with pytest.raises(grpc.aio.AioRpcError, match="controller is needed for this"):
            await rpc.AgentStub(channel).Examine(pb.ExamineRequest())
        with pytest.raises(grpc.aio.AioRpcError, match="controller is needed for this"):
            [part async for part in rpc.AgentStub(channel).Salvage(pb.SalvageRequest(token="x"))]
        with pytest.raises(grpc.aio.AioRpcError, match="controller is needed for this"):
            await rpc.AgentStub(channel).Beat(pb.SideBeat(lease="x"))


async def test_an_agents_certificate_opens_no_agent(agent: str, certified: Certified) -> None:
    assert "does not take this controller's certificate" in await refusal(agent, certified.agent)


async def test_a_controllers_certificate_serves_no_agent(certified: Certified, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"of no use|its role is controller"):
        async with serving_agent(configured(tmp_path / "a", certified.controller)):
            pass


async def test_a_certificate_without_a_role_opens_nothing(
    agent: str, certified: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Role, "uri", property(lambda role: "perfgate://role/root"))
    files = certified.files(Party("root", Role.OBSERVER))
    monkeypatch.undo()
    async with make_channel(agent, files) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="has no role of perfgate's") as refused:
            await rpc.AgentStub(channel).Describe(pb.DescribeRequest(protocol=PROTOCOL))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_agent_under_a_name_that_is_not_in_its_certificate_is_not_trusted(tmp_path: Path) -> None:
    elsewhere = Certified(tmp_path / "authority", hosts=("perf-1.example.org",))
    async with serving_agent(configured(tmp_path / "a", elsewhere.agent)) as (address, _):
        words = await refusal(address, elsewhere.controller)
        assert "mismatch" in words
        assert "dial it by a name in its certificate" in words
        async with make_channel(address, elsewhere.controller) as channel:  # gRPC itself checks it, too
            with pytest.raises(grpc.aio.AioRpcError):
                await rpc.AgentStub(channel).Describe(pb.DescribeRequest(protocol=PROTOCOL), timeout=2)


async def test_nobody_without_a_certificate_is_heard(agent: str, certified: Certified) -> None:
    credentials = grpc.ssl_channel_credentials(certified.controller.ca.read_bytes())
    async with grpc.aio.secure_channel(agent, credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await rpc.AgentStub(channel).Describe(pb.DescribeRequest(protocol=PROTOCOL), timeout=2)


async def test_plain_text_to_a_tls_port_gets_nothing_and_is_told_what_to_give(agent: str) -> None:
    assert "speaks TLS; give PERFGATE_CERTS" in await refusal(agent, None)


async def test_tls_to_a_plain_port_is_told_so(certified: Certified, tmp_path: Path) -> None:
    async with serving_agent(configured(tmp_path / "a", None)) as (address, _):
        assert "speaks no TLS here" in await refusal(address, certified.controller)
        assert await refusal(address, None, PATIENCE_S) == ""


async def test_a_controller_never_speaks_plainly_to_another_machine() -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.1:7400: is not on this machine.*PERFGATE_CERTS"):
        async with dial(["192.0.2.1:7400"], "run"):
            pass


async def test_renewed_files_are_taken_up_without_a_restart(tmp_path: Path) -> None:
    certified = Certified(tmp_path / "authority")
    old = tmp_path / "old"
    shutil.copytree(certified.controller.ca.parent, old)
    async with serving_agent(configured(tmp_path / "a", certified.agent)) as (address, _):
        certified.authority.rotate()
        assert await refusal(address, certified.controller, PATIENCE_S) == "", "new to new"
        assert await refusal(address, type(certified.controller).of_directory(old), PATIENCE_S) == "", "old to new"
        certified.authority.drop_old()
        assert await refusal(address, certified.controller, PATIENCE_S) == ""
        words = await refusal(address, type(certified.controller).of_directory(old))
        assert words, "the authority that was thrown away opens nothing"


async def test_a_recorded_session_played_again_gets_no_part_of_it(agent: str, certified: Certified) -> None:
    """Whoever knows a lease's token, or all that was said, holds nothing: the stream is the lease."""
    hello = pb.Command(
        id=1, hello=pb.Hello(protocol=PROTOCOL, perfgate_version=__version__, controller="ci", run="gate 1")
    )
    async with make_channel(agent, certified.controller) as channel:
        stub = rpc.AgentStub(channel)
        first = stub.Session()
        await first.write(hello)
        token = (await first.read()).welcome.lease
        assert token
        again = stub.Session()
        await again.write(hello)
        assert "is taken" in (await again.read()).refused.reason
        bare = stub.Session()  # the token is in no command, so there is nothing to present it with
        await bare.write(pb.Command(id=2, terminate=pb.Terminate(handle=1)))
        assert "begins with hello" in (await bare.read()).refused.reason
        await first.write(pb.Command(id=3, hello=hello.hello))
        assert "not one this agent knows" in (await first.read()).failure.text, "nor is a second lease given inside"
        await first.done_writing()
        assert await first.read() is grpc.aio.EOF
        later = stub.Session()
        await later.write(hello)
        assert (await later.read()).welcome.lease not in ("", token)
        await later.write(pb.Command(id=4, terminate=pb.Terminate(handle=1)))
        assert "there is no process 1 in this session" in (await later.read()).failure.text
        await later.done_writing()
        assert await later.read() is grpc.aio.EOF


def test_every_test_that_the_threat_model_names_exists() -> None:
    root = Path(__file__).resolve().parent
    named = set(re.findall(r"`(test_\w+)`", (root.parent / "docs" / "security.md").read_text()))
    there = set(re.findall(r"def (test_\w+)", "".join(path.read_text() for path in root.glob("test_*.py"))))
    assert len(named) > 25
    assert named <= there
