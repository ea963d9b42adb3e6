"""Start, serve, shut down. The first signal drains, the second forces."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import grpc

from perfgate.errors import FleetError
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.service import AgentService

MAX_MESSAGE = 16 * 1024 * 1024
GRACE_S = 4.0
READY = "perfgate agent ready on "

log = logging.getLogger("perfgate.agent")


async def serve(configuration: AgentConfiguration) -> None:
    """Until a signal comes. Prints one line to stdout when it really listens. Raises FleetError for a taken port."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_send_message_length", MAX_MESSAGE),
            ("grpc.so_reuseport", 0),
        ]
    )
    service = AgentService(configuration)
    rpc.add_AgentServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    address = f"{configuration.host}:{configuration.port}"
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise FleetError(f"cannot listen on {address}: is the port taken? Give another --port (0 picks one)") from error
    await server.start()
    print(f"{READY}{configuration.host}:{port} pid {os.getpid()}", flush=True)
    await _until_signal()
    log.info("draining: the running session ends, then the agent")
    service.drain()
    await server.stop(GRACE_S)


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
