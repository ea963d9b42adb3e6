"""What a controller says on its stream, read by one task from the first word to the last, and when it said something last."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_agent.session import AgentSession

LOOK_S = 0.25
STOOD_STILL_NS = 1_000_000_000
CATCH_UP_S = 0.3


class Incoming:
    """`session`: who carries commands out; before there is one, a heartbeat only shows that the controller is there."""

    def __init__(self, commands: AsyncIterator[pb.Command]) -> None:
        self._commands = commands
        self.heard_ns = time.monotonic_ns()
        self.session: AgentSession | None = None

    @property
    def silent_ns(self) -> int:
        """For how long nothing has been heard."""
        return time.monotonic_ns() - self.heard_ns

    def beside(self, beat: pb.Heartbeat) -> None:
        """A heartbeat that came by another way than the stream."""
        self.heard_ns = time.monotonic_ns()
        if self.session is not None:
            self.session.load.permit(beat)

    async def first(self, patience_s: float) -> pb.Command | None:
        """None where a client opens a stream and says nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                return await anext(aiter(self._commands), None)
        return None

    async def read(self) -> None:
        """Until the controller closes its side. No faster than commands are carried out and their answers taken."""
        async for command in self._commands:
            self.heard_ns = time.monotonic_ns()
            if self.session is not None:
                self.session.take(command)
                await self.session.room()

    async def silence(self, gone: Callable[[int], bool]) -> None:
        """Until `gone`, asked again and again with the silence in ns, says that nobody is there any more. After a standstill
        of this process itself, what was said meanwhile is heard first."""
        looked_ns = time.monotonic_ns()
        while True:
            await asyncio.sleep(LOOK_S)
            if time.monotonic_ns() - looked_ns > STOOD_STILL_NS:
                await asyncio.sleep(CATCH_UP_S)
            elif gone(self.silent_ns):
                return
            looked_ns = time.monotonic_ns()
