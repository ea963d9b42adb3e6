"""Claims about the agent as a service that a machine starts: readiness, health, drain, logs."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from cluster import environment, perfgate, write_scenario, write_target
from grpc_health.v1 import health_pb2, health_pb2_grpc
from perfgate_agent.log_lines import LogLine
from perfgate_agent.notify import notify
from perfgate_controller.dial_tls import make_channel
from perfgate_controller.fleet import dial
from secure_agents import Certified, configured, refusal, serving_agent

from perfgate.scenario import load_scenario

Started = tuple[str, asyncio.subprocess.Process, socket.socket]
FILE = """
name = "perf-1"
work_dir = "work"
cache_dir = "cache"
[listen]
port = 0
drain_seconds = {drain}
[tls]
directory = "{certs}"
[host]
targets = ["embedded.toml"]
[limits]
memory_mb = 8192
"""


@asynccontextmanager
async def service(certified: Certified, directory: Path, drain: float) -> AsyncIterator[Started]:
    """A process as systemd starts it, with the socket that it is to speak to; its address, once it has said READY."""
    write_target(directory)
    (directory / "agent.toml").write_text(FILE.format(drain=drain, certs=certified.agent.ca.parent))
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(directory / "notify"))
    told.setblocking(False)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perfgate", "agent", "serve", "--config", str(directory / "agent.toml"),
        env={**environment(directory), "NOTIFY_SOCKET": str(directory / "notify")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        words = (await asyncio.get_running_loop().sock_recv(told, 4096)).decode().splitlines()
        assert words[0] == "READY=1"
        yield words[1].rpartition(" ")[2], process, told
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        told.close()


async def test_a_service_says_when_it_is_ready_and_a_gates_store_runs_on_it(
    certified: Certified, tmp_path: Path
) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    async with service(certified, tmp_path, drain=0) as (address, process, told):
        async with dial([address], "run", certified.controller) as fleet:
            await fleet.host.install("embedded", "default", scenario, 1)
            (running,) = await fleet.host.launch("embedded", ["default"], scenario, 1)
            limits = Path(f"/proc/{running.pid}/limits").read_text()
            assert f"Max data size             {8192 << 20}" in limits, "stores inherit the limit on memory"
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert b"PRIVATE" not in words
        process.send_signal(signal.SIGTERM)
        assert (await asyncio.get_running_loop().sock_recv(told, 4096)).startswith(b"STOPPING=1")
        assert await process.wait() == 0


async def test_a_run_goes_the_whole_way_over_mutual_tls_and_keeps_no_secret(
    certified: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, out = write_scenario(tmp_path, seconds=1), tmp_path / "out"
    async with service(certified, tmp_path, drain=0) as (address, _, _):
        command = [
            "run",
            str(scenario),
            "--target",
            str(write_target(tmp_path)),
            "--agents",
            address,
            "--out",
            str(out),
            "--warmup",
            "0s",
        ]
        monkeypatch.setenv("PERFGATE_CERTS", str(certified.observer.ca.parent))
        refused = await asyncio.to_thread(perfgate, command, tmp_path)
        assert refused.returncode == 3
        assert "its role is observer, but controller is needed here" in refused.stderr
        assert not out.exists(), "what cannot work is refused before anything is made"
        monkeypatch.setenv("PERFGATE_CERTS", str(certified.controller.ca.parent))
        done = await asyncio.to_thread(perfgate, command, tmp_path)
        assert (out / "result.json").exists(), done.stderr
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"PRIVATE" not in written + done.stderr.encode() + done.stdout.encode()


async def test_a_draining_service_finishes_the_session_that_runs_and_refuses_others(
    certified: Certified, tmp_path: Path
) -> None:
    async with service(certified, tmp_path, drain=60) as (address, process, told):
        async with dial([address], "run", certified.controller) as fleet:
            process.send_signal(signal.SIGTERM)
            await asyncio.get_running_loop().sock_recv(told, 4096)
            assert "is shutting down" in await refusal(address, certified.controller)
            await fleet.host.prepare_data(load_scenario(write_scenario(tmp_path)), 1)
        assert await process.wait() == 0, "when the session has ended, so has the service"


async def test_a_session_that_outlasts_the_drain_is_ended(certified: Certified, tmp_path: Path) -> None:
    configuration = configured(tmp_path / "a", certified.agent)
    async with serving_agent(configuration) as (address, agent), dial([address], "run", certified.controller) as fleet:
        await agent.drain(0.0)
        assert fleet.host._reading is not None
        await fleet.host._reading
        assert fleet.host._lost is not None


async def test_the_standard_client_understands_the_health_service(certified: Certified, tmp_path: Path) -> None:
    configuration = configured(tmp_path / "a", certified.agent)
    async with serving_agent(configuration) as (address, agent):  # noqa: SIM117, since the channel is closed first
        async with make_channel(address, certified.observer) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in ("", "perfgate.wire.v1.Agent"):
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.aio.AioRpcError) as unknown:
                await stub.Check(health_pb2.HealthCheckRequest(service="other"))
            assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            await agent.drain(0.0)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            strange = stub.Watch(health_pb2.HealthCheckRequest(service="other"))
            assert (await strange.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            strange.cancel()


async def test_health_is_answered_without_tls_on_loopback(tmp_path: Path) -> None:
    async with serving_agent(configured(tmp_path / "a", None)) as (address, _), make_channel(address, None) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_line_for_the_journal_has_its_priority_and_no_other_lines() -> None:
    record = logging.LogRecord("a", logging.WARNING, "f", 1, "first\nsecond", None, None)
    assert LogLine(journal=True).format(record) == "<4>first\\nsecond"
    assert LogLine(journal=False).format(record) == "WARNING first\\nsecond"


def test_nobody_who_listens_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in ("", "relative", str(tmp_path / "gone")):
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify(READY="1")


def test_abstract_sockets_are_told_too_and_no_word_adds_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind("")  # the kernel gives it an abstract name: unix(7)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + told.getsockname()[1:].decode())
        notify(STATUS="a\nREADY=1")
        assert told.recv(100) == b"STATUS=a READY=1"
