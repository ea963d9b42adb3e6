"""Clients and agents that flood, talk nonsense or say nothing: whoever comes next is served all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cluster import write_scenario
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from perfgate_agent.limits import Limits
from perfgate_controller.dial_tls import make_channel
from perfgate_controller.fleet import dial
from perfgate_controller.link import AgentLink
from secure_agents import PATIENCE_S, Certified, configured, refusal, serving_agent

from perfgate import __version__
from perfgate.errors import FleetError, PerfgateError
from perfgate.scenario import load_scenario
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate.wire.version import PROTOCOL


async def test_an_oversized_message_ends_its_call_and_nothing_else(certified: Certified, tmp_path: Path) -> None:
    configuration = configured(tmp_path / "a", certified.agent, Limits(message_bytes=1 << 20))
    async with serving_agent(configuration) as (address, _):
        async with make_channel(address, certified.controller) as channel:
            call = rpc.AgentStub(channel).Session()
            await call.write(pb.Command(id=1, hello=pb.Hello(controller="x" * (2 << 20))))
            assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await refusal(address, certified.controller, PATIENCE_S) == ""


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
                await rpc.AgentStub(channel).Describe(pb.DescribeRequest(protocol=PROTOCOL), timeout=25)
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
    assert await refusal(agent, certified.controller, PATIENCE_S) == ""


async def _send_bytes(address: str, certified: Certified, method: str, bodies: list[bytes], greeted: bool) -> None:
    hello = pb.Hello(protocol=PROTOCOL, perfgate_version=__version__, controller="ci", run="fuzz")
    async with make_channel(address, certified.controller) as channel:
        try:
            if not RPCS[method]:
                await channel.unary_unary(method)(bodies[0], timeout=25)
                return
            call = channel.stream_stream(method)(timeout=25)
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
    assert await refusal(agent, certified.controller, PATIENCE_S) == ""
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
