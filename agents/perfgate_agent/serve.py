"""Start, serve, shut down. The first signal drains, the second forces."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import os
import resource
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc

from perfgate.errors import FleetError, InputError
from perfgate.trust.files import TlsFiles
from perfgate.trust.inspect import inspect
from perfgate.trust.role import Role
from perfgate.units import NS_PER_S
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.credentials import server_credentials
from perfgate_agent.health import Health
from perfgate_agent.limits import Limits
from perfgate_agent.notify import notify
from perfgate_agent.service import AgentService

GRACE_S = 4.0
HANDSHAKE_MS = 10_000
METADATA_BYTES = 16 * 1024
READY = "perfgate agent ready on "

log = logging.getLogger("perfgate.agent")


@dataclass(frozen=True, slots=True)
class Serving:
    """An agent that listens on `port`."""

    port: int
    service: AgentService
    health: Health

    async def drain(self, patience_s: float) -> None:
        """Take no new session; the running one may go on for so long."""
        self.health.stop()
        await self.service.drain(patience_s)


async def serve(configuration: AgentConfiguration) -> None:
    """Until a signal comes. Prints one line to stdout when it really listens. Raises FleetError for a taken port,
    InputError for certificates that are of no use."""
    _limit_memory(configuration.limits)
    async with serving(configuration) as agent:
        where = f"{_bracketed(configuration.host)}:{agent.port}"
        print(f"{READY}{where} pid {os.getpid()}", flush=True)
        notify(READY="1", STATUS=f"serving on {where}")
        await _until_signal()
        patience_s = configuration.drain_ns / NS_PER_S
        notify(STOPPING="1", STATUS="draining: no new session")
        log.info("draining: no new session; the running one may go on for %g s", patience_s)
        await agent.drain(patience_s)


@contextlib.asynccontextmanager
async def serving(configuration: AgentConfiguration) -> AsyncIterator[Serving]:
    """Listens for as long as the block runs; ends sessions with it. Raises as `serve`."""
    server = _make_server(configuration.limits)
    service, health = AgentService(configuration), Health()
    rpc.add_AgentServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    server.add_generic_rpc_handlers((health.handlers(),))
    port = _listen(server, configuration)
    await server.start()
    try:
        yield Serving(port, service, health)
    finally:
        await server.stop(GRACE_S)


def _make_server(limits: Limits) -> grpc.aio.Server:
    """With an end to what one client, or many, can make it keep."""
    return grpc.aio.server(
        maximum_concurrent_rpcs=limits.streams,
        options=[
            ("grpc.max_receive_message_length", limits.message_bytes),
            ("grpc.max_send_message_length", limits.message_bytes),
            ("grpc.max_concurrent_streams", limits.streams),
            ("grpc.max_allowed_incoming_connections", limits.clients),
            ("grpc.max_metadata_size", METADATA_BYTES),
            ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
            ("grpc.so_reuseport", 0),
        ],
    )


def _listen(server: grpc.aio.Server, configuration: AgentConfiguration) -> int:
    address = f"{_bracketed(configuration.host)}:{configuration.port}"
    credentials = _credentials(configuration.tls) if configuration.tls else None
    try:
        return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise FleetError(f"cannot listen on {address}: is the port taken? Give another --port (0 picks one)") from error


def _credentials(files: TlsFiles) -> grpc.ServerCredentials:
    own = inspect(files, Role.AGENT)
    if words := own.expiring(dt.datetime.now(dt.UTC)):
        log.warning("%s", words)
    return server_credentials(files)


def _limit_memory(limits: Limits) -> None:
    """Of this process; workers and stores inherit it."""
    if limits.memory_bytes is None:
        return
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    except (ValueError, OSError) as error:
        raise InputError(f"limits.memory_mb = {limits.memory_bytes >> 20}: {error}; give less") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _until_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, os._exit, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first)
    await stop.wait()
