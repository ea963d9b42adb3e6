"""The threats of docs/security.md, each tried against a real server on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cluster import write_scenario, write_target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from perfgate_agent.allowed import AllowedAddresses
from perfgate_agent.limits import Limits
from perfgate_controller.dial_tls import make_channel
from perfgate_controller.fleet import dial
from perfgate_controller.link import AgentLink
from secure_agents import Certified, configured, refusal, serving_agent

from perfgate import __version__
from perfgate.address import Address
from perfgate.certs.authority import Party
from perfgate.errors import FleetError, InputError, PerfgateError
from perfgate.scenario import load_scenario
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.load import load_target
from perfgate.trust.inspect import inspect
from perfgate.trust.role import Role
from perfgate.units import NS_PER_S
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate.wire.version import PROTOCOL

SECRET = b"PRIVATE KEY"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return Certified(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Of another authority."""
    return Certified(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Certificates of 90 days, made 91 days ago."""
    return Certified(tmp_path_factory.mktemp("expired"), days_ago=91)


@pytest.fixture
async def agent(certified: Certified, tmp_path: Path) -> AsyncIterator[str]:
    async with serving_agent(configured(tmp_path / "a", certified.agent)) as (address, _):
        yield address


async def test_a_controller_with_its_certificate_gets_the_agent_and_is_named_by_it(
    agent: str, certified: Certified
) -> None:
    async with dial([agent], "run", certified.controller):
        words = await refusal(agent, certified.controller)
        assert "is taken: ci (" in words, "the holder is shown by the name in its certificate"
    assert await refusal(agent, certified.controller) == ""
    assert await refusal(agent.replace("127.0.0.1", "localhost"), certified.controller) == ""


async def test_a_controller_of_another_authority_is_refused(
    agent: str, certified: Certified, strangers: Certified
) -> None:
    mixed = dataclasses.replace(strangers.controller, ca=certified.controller.ca)
    assert "does not take this controller's certificate" in await refusal(agent, mixed)
    assert await refusal(agent, certified.controller) == ""


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
        assert await refusal(address, certified.controller) == ""


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
        assert await refusal(address, None) == ""


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
        assert await refusal(address, certified.controller) == "", "new to new"
        assert await refusal(address, type(certified.controller).of_directory(old)) == "", "old to new"
        certified.authority.drop_old()
        assert await refusal(address, certified.controller) == ""
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


async def test_an_oversized_message_ends_its_call_and_nothing_else(certified: Certified, tmp_path: Path) -> None:
    configuration = configured(tmp_path / "a", certified.agent, Limits(message_bytes=1 << 20))
    async with serving_agent(configuration) as (address, _):
        async with make_channel(address, certified.controller) as channel:
            call = rpc.AgentStub(channel).Session()
            await call.write(pb.Command(id=1, hello=pb.Hello(controller="x" * (2 << 20))))
            assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await refusal(address, certified.controller) == ""


async def test_more_clients_and_calls_than_allowed_are_turned_away_until_others_leave(
    certified: Certified, tmp_path: Path
) -> None:
    configuration = configured(tmp_path / "a", certified.agent, Limits(clients=2, streams=2))
    async with serving_agent(configuration) as (address, _):
        own = [("grpc.use_local_subchannel_pool", 1)]
        material = certified.observer.read()
        credentials = grpc.ssl_channel_credentials(material.authorities, material.key, material.certificate)
        channels = [grpc.aio.secure_channel(address, credentials, options=own) for _ in range(3)]
        answers = []
        for channel in channels:
            try:
                await rpc.AgentStub(channel).Describe(pb.DescribeRequest(protocol=PROTOCOL), timeout=2)
                answers.append("ok")
            except grpc.aio.AioRpcError as error:
                answers.append(error.code().name)
        assert answers == ["ok", "ok", "UNAVAILABLE"]
        watch = channels[0].unary_stream("/grpc.health.v1.Health/Watch")
        watching = [watch(b""), watch(b"")]
        for one in watching:
            assert await one.read() == b"\x08\x01"
        with pytest.raises(grpc.aio.AioRpcError):
            await rpc.AgentStub(channels[1]).Describe(pb.DescribeRequest(protocol=PROTOCOL), timeout=2)
        for channel in channels:
            await channel.close()
        for _ in range(100):  # until the server has seen them go
            if not await refusal(address, certified.controller):
                break
        else:
            pytest.fail("the agent stayed full")


async def test_a_flood_of_commands_is_carried_out_no_faster_than_its_answers_are_taken(
    certified: Certified, tmp_path: Path
) -> None:
    async with serving_agent(configured(tmp_path / "a", certified.agent)) as (address, agent):
        async with make_channel(address, certified.controller) as channel:
            call = rpc.AgentStub(channel).Session()
            hello = pb.Hello(protocol=PROTOCOL, perfgate_version=__version__, controller="ci", run="flood")
            await call.write(pb.Command(id=1, hello=hello))
            assert (await call.read()).welcome.lease
            count = 3000
            writer = asyncio.ensure_future(_flood(call, count))
            answers = [(await call.read()).reply_to for _ in range(count)]
            await writer
            assert sorted(answers) == list(range(2, count + 2))
            await call.done_writing()
        del agent


async def _flood(call: object, count: int) -> None:
    for number in range(count):
        await call.write(pb.Command(id=number + 2, clock_probe=pb.ClockProbe()))  # type: ignore[attr-defined]


RPCS = {
    "/perfgate.wire.v1.Agent/Describe": False,
    "/perfgate.wire.v1.Agent/Session": True,
    "/perfgate.wire.v1.Agent/ReadClock": False,
    "/perfgate.wire.v1.Agent/Examine": False,
    "/perfgate.wire.v1.Agent/Salvage": False,
    "/grpc.health.v1.Health/Check": False,
    "/perfgate.wire.v1.Agent/Shutdown": False,
}
FIELDS = [field.name for field in pb.Command.DESCRIPTOR.fields if field.name not in ("id", "hello")]
BODIES = st.binary(max_size=200) | st.binary(max_size=40).map(lambda tail: pb.Command(id=1).SerializeToString() + tail)


async def test_whatever_bytes_are_sent_the_agent_serves_the_next_client(agent: str, certified: Certified) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(sorted(RPCS)), st.lists(BODIES, min_size=1, max_size=4), st.booleans())
    def fuzz(method: str, bodies: list[bytes], greeted: bool) -> None:
        asyncio.run_coroutine_threadsafe(_send_bytes(agent, certified, method, bodies, greeted), loop).result(30)

    await asyncio.to_thread(fuzz)
    assert await refusal(agent, certified.controller) == ""


async def _send_bytes(address: str, certified: Certified, method: str, bodies: list[bytes], greeted: bool) -> None:
    hello = pb.Hello(protocol=PROTOCOL, perfgate_version=__version__, controller="ci", run="fuzz")
    async with make_channel(address, certified.controller) as channel:
        try:
            if not RPCS[method]:
                await channel.unary_unary(method)(bodies[0], timeout=5)
                return
            call = channel.stream_stream(method)(timeout=5)
            if greeted:
                await call.write(pb.Command(id=1, hello=hello).SerializeToString())
                await call.read()
            for body in bodies:
                await call.write(body)
            await call.done_writing()
            while await call.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise AssertionError("it is answered, whatever it is") from error
        except asyncio.InvalidStateError:
            pass  # the agent has ended the call meanwhile


async def test_commands_with_any_content_are_answered_one_by_one(agent: str, certified: Certified) -> None:
    """Well-formed messages, senseless content: each gets its answer, and the session goes on."""
    loop = asyncio.get_running_loop()
    link = AgentLink(agent, certified.controller)
    await link.open("ci", "fuzz")

    def command(name: str, texts: list[str], numbers: list[int]) -> pb.Command:
        made = pb.Command()
        getattr(made, name).SetInParent()
        _fill(getattr(made, name), texts, numbers)
        return made

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.sampled_from([name for name in FIELDS if name not in ("heartbeat", "start_at")]),
        st.lists(st.text(max_size=30), min_size=1, max_size=3),
        st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3),
    )
    def fuzz(name: str, texts: list[str], numbers: list[int]) -> None:
        asyncio.run_coroutine_threadsafe(_answered(link, command(name, texts, numbers)), loop).result(30)

    await asyncio.to_thread(fuzz)
    await _answered(link, pb.Command(clock_probe=pb.ClockProbe()))
    await link.close()


async def _answered(link: AgentLink, command: pb.Command) -> None:
    try:
        await link._call(command)
    except FleetError as error:
        raise AssertionError(f"the session broke on {command}") from error
    except Exception:
        pass  # refused in words


def _fill(message: object, texts: list[str], numbers: list[int]) -> None:
    """Every field with one of these values."""
    for place, field in enumerate(message.DESCRIPTOR.fields):  # type: ignore[attr-defined]
        text, number = texts[place % len(texts)], numbers[place % len(numbers)]
        many = field.is_repeated
        if field.message_type is not None:
            _fill(getattr(message, field.name).add() if many else getattr(message, field.name), texts, numbers)
            continue
        value: object = text if field.type == field.TYPE_STRING else number
        if field.type == field.TYPE_BOOL:
            value = bool(number % 2)
        if many:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)


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


async def test_what_a_controller_calls_itself_cannot_write_lines_into_the_log(
    agent: str, certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "perfgate.agent")
    link = AgentLink(agent, certified.controller)
    await link.open("x\nERROR forged\x1b[31m", "r" * 5000)
    await link.close()
    (line,) = [record.getMessage() for record in caplog.records if " runs " in record.getMessage()]
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line) < 600


async def test_no_key_and_no_token_of_anybody_is_in_reports_or_logs(
    agent: str, certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with make_channel(agent, certified.controller) as channel:
        described = await rpc.AgentStub(channel).Describe(pb.DescribeRequest(protocol=PROTOCOL))
    async with dial([agent], "run", certified.controller) as fleet:
        shown = f"{described} {fleet.environment}"
    for text in (shown, caplog.text):
        assert "PRIVATE" not in text
        assert certified.agent.key.read_text().splitlines()[1] not in text


async def test_clients_that_say_nothing_or_no_tls_keep_nobody_else_away(agent: str, certified: Certified) -> None:
    host, _, port = agent.rpartition(":")
    writers = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(8)]
    for number, writer in enumerate(writers):
        writer.write(b"\x16\x03\x01\xff\xff" * number)
    assert await refusal(agent, certified.controller) == ""
    for writer in writers:
        writer.transport.abort()


HOSTILE = [
    pb.Event(intervals=pb.IntervalBatch(intervals=[pb.Interval(lag=pb.Histogram(geometry=77))])),
    pb.Event(intervals=pb.IntervalBatch(intervals=[pb.Interval(operations=[pb.OperationInterval(operation=99)])])),
    pb.Event(reply_to=99, failure=pb.Failure(kind="annotations", text="\x1b[2Jgone")),
    pb.Event(reply_to=99, refused=pb.Refused(reason="\x1b[2Jgone")),
]


class HostileAgent(rpc.AgentServicer):
    """Behaves until the data are to be prepared; then says `last`."""

    def __init__(self, last: pb.Event) -> None:
        self._last = last

    async def Describe(self, request: pb.DescribeRequest, context: object) -> pb.Description:
        return pb.Description(protocol=PROTOCOL, perfgate_version=__version__, name="hostile\x1b[2J", workers=1)

    async def Session(self, commands: AsyncIterator[pb.Command], context: object) -> AsyncIterator[pb.Event]:
        async for command in commands:
            if command.WhichOneof("command") == "prepare_data":
                if self._last.reply_to:
                    self._last.reply_to = command.id
                yield self._last
            else:
                yield pb.Event(reply_to=command.id, alive=pb.Alive())


@pytest.mark.parametrize("last", HOSTILE)
async def test_an_agent_that_talks_nonsense_is_lost_in_plain_words_and_not_waited_for(
    tmp_path: Path, last: pb.Event
) -> None:
    server = grpc.aio.server()
    rpc.add_AgentServicer_to_server(HostileAgent(last), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with asyncio.timeout(30), dial([f"127.0.0.1:{port}"], "run") as fleet:
            with pytest.raises(PerfgateError) as lost:
                await fleet.host.prepare_data(load_scenario(write_scenario(tmp_path)), 1)
            assert "\x1b" not in str(lost.value) + fleet.host.name
    finally:
        await server.stop(0)


def test_every_test_that_the_threat_model_names_exists() -> None:
    root = Path(__file__).resolve().parent
    named = set(re.findall(r"`(test_\w+)`", (root.parent / "docs" / "security.md").read_text()))
    there = set(re.findall(r"def (test_\w+)", "".join(path.read_text() for path in root.glob("test_*.py"))))
    assert len(named) > 25
    assert named <= there
