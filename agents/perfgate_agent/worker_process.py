"""The worker process: one core, one uvloop, one run after the other. Nothing of gRPC or scipy is imported here.

`python -m perfgate_agent.worker_process FD NAME`, where FD is the inherited end of a socket pair. Ends when the pair's
other end closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from functools import lru_cache
from pathlib import Path
from time import monotonic_ns
from typing import Any

import uvloop

from perfgate.dataset import Dataset, build_dataset
from perfgate.errors import PerfgateError
from perfgate.interval import Interval
from perfgate.plan import Plan
from perfgate.scenario import scenario_from_json
from perfgate.targets.adapter import make_adapter
from perfgate.targets.load import target_from_json
from perfgate.units import NS_PER_S
from perfgate_agent.messages import (
    Began,
    Failed,
    Finished,
    IntervalMessage,
    LanesTaken,
    Message,
    Permit,
    Prepare,
    Ready,
    StartAt,
    Stop,
    TakeLanes,
    frame,
    read_message,
)
from perfgate_agent.part import Part
from perfgate_agent.players import AnyPlayer, make_player
from perfgate_agent.prepare import learn


class Worker:
    """Answers its agent's messages."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._name = name
        self._reader = reader
        self._writer = writer
        self._player: AnyPlayer | None = None
        self._playing: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Until the agent goes away."""
        asyncio.get_running_loop().set_exception_handler(self._broken)
        while (message := await read_message(self._reader)) is not None:
            try:
                await self._take(message)
            except PerfgateError as error:
                self._say(Failed(str(error)))
            except Exception as error:  # the agent must hear of it, whatever it is
                self._say(Failed(f"{type(error).__name__}: {error}"))
        await self._give_up()

    async def _take(self, message: Message) -> None:
        if isinstance(message, Prepare):
            await self._give_up()
            self._player = None
            part = prepare(message, self._name)
            for arm, address in part.addresses.items():
                await learn(part.adapters[arm], address)
            player = make_player(part, self._emit)
            await player.open()
            self._player = player
            self._say(Ready())
        elif isinstance(message, StartAt) and self._player is not None:
            if message.permit_ns is not None:
                self._player.permit(message.permit_ns)
            self._playing = asyncio.ensure_future(self._play(self._player, message.monotonic_ns))
        elif isinstance(message, Permit) and self._player is not None:
            self._player.permit(message.until_ns)
        elif isinstance(message, TakeLanes) and self._player is not None:
            self._say(LanesTaken(self._player.take_lanes(message.lanes, message.from_ns)))
        elif isinstance(message, Stop) and self._player is not None:
            self._player.stop()

    async def _give_up(self) -> None:
        """End a run that nobody waits for any more."""
        playing, self._playing = self._playing, None
        if playing is not None:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await playing

    async def _play(self, player: AnyPlayer, start_ns: int) -> None:
        strike = asyncio.get_running_loop().call_later(
            max(0, start_ns - monotonic_ns()) / NS_PER_S, lambda: self._say(Began(monotonic_ns()))
        )
        try:
            report = await player.play(start_ns)
        except Exception as error:  # the agent must hear of it, whatever it is
            self._say(Failed(f"{type(error).__name__}: {error}"))
            raise
        finally:
            strike.cancel()
        self._say(Finished(report))

    def _emit(self, interval: Interval) -> None:
        self._say(IntervalMessage(interval))

    def _broken(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error in a callback would otherwise be logged and forgotten, and the measurement be wrong."""
        loop.default_exception_handler(context)
        self._say(Failed(f"{context.get('message')}: {context.get('exception')!r}"))

    def _say(self, message: Message) -> None:
        self._writer.write(frame(message))


def prepare(order: Prepare, name: str) -> Part:
    """Plan, data and adapters of a run. Plan and data stay mapped from run to run."""
    plan, dataset = _plan_and_data(order.scenario_json, order.seed, order.cache_dir)
    target = target_from_json(order.target_json)
    return Part(
        name=name,
        plan=plan,
        lanes=order.lanes,
        segments=order.segments,
        addresses=order.addresses,
        adapters={
            arm: make_adapter(target, dataset, address.host, address.port) for arm, address in order.addresses.items()
        },
        connections=order.connections,
        timeout_ns=plan.scenario.connection.timeout_ns,
        closed_loop=order.closed_loop,
    )


@lru_cache(maxsize=2)
def _plan_and_data(scenario_json: str, seed: int, cache_dir: str) -> tuple[Plan, Dataset]:
    scenario = scenario_from_json(scenario_json)
    plan = Plan(scenario, seed)
    return plan, build_dataset(scenario, seed, Path(cache_dir), plan.store_pool, plan.num_queries)


async def _main(descriptor: int, name: str) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    await Worker(name, reader, writer).serve()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), sys.argv[2]))
