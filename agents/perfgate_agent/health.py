"""The standard health service of gRPC (grpc.health.v1), which orchestrators and grpc_health_probe ask.

Its two messages are declared in wire.proto under names of our own: on the wire a message has no name, and the standard
names would clash with the same ones of grpcio-health-checking, where that is installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from perfgate.trust.role import Role
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_agent.peer import admit

SERVICE = "grpc.health.v1.Health"
SERVING, NOT_SERVING, UNKNOWN = 1, 2, 3
NAMES = ("", "perfgate.wire.v1.Agent")


class Health:
    """serving until told otherwise."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """No new work is taken."""
        self._stopped.set()

    def handlers(self) -> grpc.GenericRpcHandler:
        """What a server is given."""
        read, write = pb.HealthQuestion.FromString, pb.HealthAnswer.SerializeToString
        check = grpc.unary_unary_rpc_method_handler(self.check, request_deserializer=read, response_serializer=write)
        watch = grpc.unary_stream_rpc_method_handler(self.watch, request_deserializer=read, response_serializer=write)
        return grpc.method_handlers_generic_handler(SERVICE, {"Check": check, "Watch": watch})

    async def check(self, request: pb.HealthQuestion, context: Any) -> pb.HealthAnswer:
        await admit(context, Role.OBSERVER, Role.CONTROLLER)
        if request.service not in NAMES:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service here")
        return self._answer()

    async def watch(self, request: pb.HealthQuestion, context: Any) -> AsyncIterator[pb.HealthAnswer]:
        """The state now, and again when it changes."""
        await admit(context, Role.OBSERVER, Role.CONTROLLER)
        if request.service not in NAMES:
            yield pb.HealthAnswer(status=UNKNOWN)
            await asyncio.Event().wait()  # the standard says: the call stays open, the service may yet come
        if not self._stopped.is_set():
            yield self._answer()
            await self._stopped.wait()
        yield self._answer()

    def _answer(self) -> pb.HealthAnswer:
        return pb.HealthAnswer(status=NOT_SERVING if self._stopped.is_set() else SERVING)
